#include "zoo/preact_resnet.h"

#include <string>

#include "engine/error.h"
#include "layers/basic.h"
#include "layers/init.h"

namespace bonsai::zoo {
namespace {

constexpr int expansion = 4;  // of a block's result over its inner width

// Figure 1, b: the sequence begins behind the first batch norm and ReLU, which both branches share
// where a stage opens.
class Block : public Sequential {
 public:
  Block(int in, int inner, int stride, bool opens_stage, Random& init)
      : first_(child<BatchNorm>("bn1", in)) {
    const int out = expansion * inner;
    add_named<Conv2d>("conv1", in, inner, 1, ConvOptions{.stride = stride, .bias = false}, init);
    add_named<BatchNorm>("bn2", inner);
    add_named<Relu>("relu2");
    add_named<Conv2d>("conv2", inner, inner, 3, ConvOptions{.padding = 1, .bias = false}, init);
    add_named<BatchNorm>("bn3", inner);
    add_named<Relu>("relu3");
    add_named<Conv2d>("conv3", inner, out, 1, ConvOptions{.bias = false}, init);
    if (!opens_stage) return;
    const ConvOptions options{.stride = stride, .bias = false};
    shortcut_ = &child<Conv2d>("downsample", in, out, 1, options, init);
  }

  Var forward(Var x) override {
    const Var first = relu(first_.forward(x));
    const Var y = Sequential::forward(first);
    return bonsai::add(y, shortcut_ != nullptr ? shortcut_->forward(first) : x);
  }

 private:
  BatchNorm& first_;
  Conv2d* shortcut_ = nullptr;
};

}  // namespace

std::unique_ptr<Layer> preact_resnet(const Spec& spec, int depth) {
  require(depth >= 11 && depth % 9 == 2, spec.name, ": depth ", depth,
          " should be 9 n + 2, as 164 or 1001");
  auto net = std::make_unique<Sequential>();
  int in = spec.scaled(16, "conv1");
  net->add_named<Conv2d>("conv1", spec.input[2], in, 3, ConvOptions{.padding = 1, .bias = false},
                         spec.init);
  for (int s = 0; s < 3; ++s) {
    const std::string name = join("layer", s + 1);
    const int inner = spec.scaled(16 << s, name);
    auto stage = std::make_unique<Sequential>();
    for (int b = 0; b < (depth - 2) / 9; ++b) {
      stage->add<Block>(in, inner, s > 0 && b == 0 ? 2 : 1, b == 0, spec.init);
      in = expansion * inner;
    }
    net->append(name, std::move(stage));
  }
  net->add_named<BatchNorm>("bn", in);
  net->add_named<Relu>("relu");
  net->add_named<GlobalAveragePool>("pool");
  net->add_named<Linear>("fc", in, spec.classes, spec.init);
  for (Parameter* p : net->parameters()) {
    if (p->value.rank() == 4) kaiming_normal(p->value, Fan::out, spec.init);
  }
  return net;
}

}  // namespace bonsai::zoo
