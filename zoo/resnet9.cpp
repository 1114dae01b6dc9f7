#include "zoo/resnet9.h"

#include <string>

#include "layers/basic.h"

namespace bonsai::zoo {
namespace {

constexpr ConvOptions same_size{.padding = 1};

class Residual : public Module {
 public:
  Residual(int channels, Random& init)
      : first_(child<ConvBnRelu>("res1", channels, channels, 3, same_size, init)),
        second_(child<ConvBnRelu>("res2", channels, channels, 3, same_size, init)) {}

  Var forward(Var x) override { return add(x, second_.forward(first_.forward(x))); }

 private:
  ConvBnRelu &first_, &second_;
};

Var divide_by_8(Var logits) {
  return channel_scale(logits, logits.tape().constant(Tensor({logits.shape().back()}, 0.125F)));
}

}  // namespace

std::unique_ptr<Layer> resnet9(const Spec& spec) {
  spec.require_size(32);
  auto net = std::make_unique<Sequential>();
  int in = spec.scaled(64, "prep");
  net->add_named<ConvBnRelu>("prep", spec.input[2], in, 3, same_size, spec.init);
  for (int s = 1; s <= 3; ++s) {
    const std::string name = "layer" + std::to_string(s);
    const int out = spec.scaled(64 << s, name);
    auto stage = std::make_unique<Sequential>();
    stage->add_named<ConvBnRelu>("conv", in, out, 3, same_size, spec.init);
    stage->add_named<MaxPool>("pool");
    if (s != 2) stage->add_named<Residual>("residual", out, spec.init);
    net->append(name, std::move(stage));
    in = out;
  }
  net->add_named<MaxPool>("pool", PoolOptions{.kernel = 4, .stride = 4});
  net->add_named<Flatten>("flatten");
  const int flat = in * (spec.input[0] / 32) * (spec.input[1] / 32);
  net->add_named<Linear>("fc", flat, spec.classes, spec.init, false);
  net->add_named<Stateless>("scale", divide_by_8);
  return net;
}

}  // namespace bonsai::zoo
