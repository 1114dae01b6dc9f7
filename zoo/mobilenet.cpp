#include "zoo/mobilenet.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "layers/basic.h"
#include "zoo/conv_bn.h"

namespace bonsai::zoo {
namespace {

// Table 1: how many channels a block makes, and the stride of its depthwise convolution.
struct Row {
  int channels, stride;
};
constexpr Row rows[] = {{64, 1},  {128, 2}, {128, 1}, {256, 2}, {256, 1},  {512, 2}, {512, 1},
                        {512, 1}, {512, 1}, {512, 1}, {512, 1}, {1024, 2}, {1024, 1}};

int scaled(const Spec& spec, int channels, const std::string& layer) {
  return spec.whole(std::max(std::floor(channels * double{spec.width}), 8.0), layer);
}

// Figure 3.
struct Block : Sequential {
  Block(int in, int out, int stride, Random& init) {
    add_conv_bn(*this, 1, in, in, 3, {.stride = stride, .groups = in}, init);
    add_named<Relu>("relu1");
    add_conv_bn(*this, 2, in, out, 1, {}, init);
    add_named<Relu>("relu2");
  }
};

std::unique_ptr<Layer> make_network(const Spec& spec, int stem_stride) {
  auto net = std::make_unique<Sequential>();
  int in = scaled(spec, 32, "conv1");
  add_conv_bn(*net, 1, spec.input[2], in, 3, {.stride = stem_stride}, spec.init);
  net->add_named<Relu>("relu");
  auto blocks = std::make_unique<Sequential>();
  for (const Row& row : rows) {
    const int out = scaled(spec, row.channels, join("layers.", blocks->size()));
    blocks->add<Block>(in, out, row.stride, spec.init);
    in = out;
  }
  net->append("layers", std::move(blocks));
  net->add_named<GlobalAveragePool>("pool");
  net->add_named<Linear>("linear", in, spec.classes, spec.init);
  return net;
}

}  // namespace

std::unique_ptr<Layer> mobilenet(const Spec& spec) {
  spec.require_size(16);
  return make_network(spec, 1);
}

std::unique_ptr<Layer> mobilenet_224(const Spec& spec) {
  spec.require_size(32);
  return make_network(spec, 2);
}

}  // namespace bonsai::zoo
