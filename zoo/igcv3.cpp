#include "zoo/igcv3.h"

#include <string>

#include "engine/error.h"
#include "layers/basic.h"
#include "layers/init.h"
#include "zoo/conv_bn.h"

namespace bonsai::zoo {
namespace {

// Figure 2 of the paper: the sequence is the branch beside the identity.
class Block : public Sequential {
 public:
  Block(int in, int out, int expansion, int stride, bool is_residual, Permutations permutations,
        Random& init)
      : is_residual_(is_residual) {
    const int inner = expansion * in;
    add_conv_bn(*this, 1, in, inner, 1, {.groups = 2}, init);
    add_named<Stateless>("shuffle", [](Var x) { return channel_shuffle(x, 2); });
    add_conv_bn(*this, 2, inner, inner, 3, {.stride = stride, .groups = inner}, init);
    add_named<Relu6>("relu6");
    add_conv_bn(*this, 3, inner, out, 1, {.groups = 2}, init);
    if (permutations == Permutations::released) return;
    add_named<Stateless>("restore", [out](Var x) { return channel_shuffle(x, out / 2); });
  }

  Var forward(Var x) override {
    const Var y = Sequential::forward(x);
    return is_residual_ ? bonsai::add(x, y) : y;
  }

 private:
  bool is_residual_;
};

struct Row {
  int expansion, channels, blocks, stride;
};

int scaled_even(const Spec& spec, int channels, const std::string& layer) {
  const int result = spec.scaled(channels, layer);
  return result + result % 2;
}

// first: the strides of the stem and of the row of 24 channels.
std::unique_ptr<Layer> make_network(const Spec& spec, int first, int last,
                                    Permutations permutations) {
  const Row rows[] = {{1, 16, 1, 1}, {6, 24, 4, first}, {6, 32, 6, 2}, {6, 64, 8, 2},
                      {6, 96, 6, 1}, {6, 160, 6, 2},    {6, 320, 1, 1}};
  auto net = std::make_unique<Sequential>();
  int in = scaled_even(spec, 32, "stem"), number = 0;
  net->add_named<ConvBnThen<Relu6>>("stem", spec.input[2], in, 3, ConvOptions{.stride = first},
                                    spec.init);
  for (const Row& row : rows) {
    const std::string name = join("layer", ++number);
    const int out = scaled_even(spec, row.channels, name);
    auto stage = std::make_unique<Sequential>();
    for (int b = 0; b < row.blocks; ++b) {
      stage->add<Block>(in, out, row.expansion, b == 0 ? row.stride : 1, b > 0, permutations,
                        spec.init);
      in = out;
    }
    net->append(name, std::move(stage));
  }
  if (spec.width > 1) last = spec.scaled(last, "last");
  net->add_named<ConvBnThen<Relu6>>("last", in, last, 1, ConvOptions{}, spec.init);
  net->add_named<GlobalAveragePool>("pool");
  net->add_named<Linear>("fc", last, spec.classes, spec.init);
  for (Parameter* p : net->parameters()) {
    if (p->value.rank() == 4) kaiming_normal(p->value, Fan::in, spec.init);
  }
  return net;
}

}  // namespace

std::unique_ptr<Layer> igcv3(const Spec& spec, int last, Permutations permutations) {
  spec.require_size(8);
  return make_network(spec, 1, last, permutations);
}

std::unique_ptr<Layer> igcv3_224(const Spec& spec, Permutations permutations) {
  spec.require_size(32);
  return make_network(spec, 2, 1280, permutations);
}

}  // namespace bonsai::zoo
