#include "zoo/igcv3.h"

#include <string>

#include "engine/error.h"
#include "layers/basic.h"
#include "layers/init.h"

namespace bonsai::zoo {
namespace {

class Block : public Module {
 public:
  Block(int in, int out, int expansion, int stride, bool is_residual, Random& init)
      : is_residual_(is_residual) {
    const int inner = expansion * in;
    const ConvOptions grouped{.groups = 2, .bias = false};
    expand_ = &convolve("conv1", in, inner, 1, grouped, init);
    spatial_ = &convolve(
        "conv2", inner, inner, 3,
        ConvOptions{.stride = stride, .padding = 1, .groups = inner, .bias = false}, init);
    narrow_ = &convolve("conv3", inner, out, 1, grouped, init);
  }

  Var forward(Var x) override {
    const Var wide = channel_shuffle(expand_->forward(x), 2);
    const Var y = narrow_->forward(relu6(spatial_->forward(wide)));
    return is_residual_ ? add(x, y) : y;
  }

 private:
  // A convolution and its batch norm.
  Layer& convolve(const std::string& name, int in, int out, int kernel, const ConvOptions& options,
                  Random& init) {
    auto both = std::make_unique<Sequential>();
    both->add<Conv2d>(in, out, kernel, options, init);
    both->add<BatchNorm>(out);
    return adopt(name, std::move(both));
  }

  bool is_residual_;
  Layer *expand_ = nullptr, *spatial_ = nullptr, *narrow_ = nullptr;
};

struct Row {
  int expansion, channels, blocks, stride;
};

int scaled_even(const Spec& spec, int channels, const std::string& layer) {
  const int result = spec.scaled(channels, layer);
  return result + result % 2;
}

std::unique_ptr<Sequential> conv_bn_relu6(int in, int out, int kernel, int stride, Random& init) {
  auto layers = std::make_unique<Sequential>();
  layers->add<Conv2d>(in, out, kernel,
                      ConvOptions{.stride = stride, .padding = kernel / 2, .bias = false}, init);
  layers->add<BatchNorm>(out);
  layers->add<Relu6>();
  return layers;
}

// first: the strides of the stem and of the row of 24 channels.
std::unique_ptr<Layer> make_network(const Spec& spec, int first, int last) {
  const Row rows[] = {{1, 16, 1, 1}, {6, 24, 4, first}, {6, 32, 6, 2}, {6, 64, 8, 2},
                      {6, 96, 6, 1}, {6, 160, 6, 2},    {6, 320, 1, 1}};
  auto net = std::make_unique<Sequential>();
  int in = scaled_even(spec, 32, "stem"), number = 0;
  net->append("stem", conv_bn_relu6(spec.input[2], in, 3, first, spec.init));
  for (const Row& row : rows) {
    const std::string name = join("layer", ++number);
    const int out = scaled_even(spec, row.channels, name);
    auto stage = std::make_unique<Sequential>();
    for (int b = 0; b < row.blocks; ++b) {
      stage->add<Block>(in, out, row.expansion, b == 0 ? row.stride : 1, b > 0, spec.init);
      in = out;
    }
    net->append(name, std::move(stage));
  }
  if (spec.width > 1) last = spec.scaled(last, "last");
  net->append("last", conv_bn_relu6(in, last, 1, 1, spec.init));
  net->add_named<GlobalAveragePool>("pool");
  net->add_named<Linear>("fc", last, spec.classes, spec.init);
  for (Parameter* p : net->parameters()) {
    if (p->value.rank() == 4) kaiming_normal(p->value, Fan::in, spec.init);
  }
  return net;
}

}  // namespace

std::unique_ptr<Layer> igcv3(const Spec& spec, int last) { return make_network(spec, 1, last); }

std::unique_ptr<Layer> igcv3_224(const Spec& spec) { return make_network(spec, 2, 1280); }

}  // namespace bonsai::zoo
