#include "zoo/mobilenet_v2.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/error.h"
#include "layers/basic.h"
#include "layers/init.h"
#include "zoo/conv_bn.h"

namespace bonsai::zoo {
namespace {

// Table 2: `blocks` blocks that widen `expansion` times and leave `channels`, the first of them
// with the stride.
struct Row {
  int expansion, channels, blocks, stride;
};
const std::vector<Row> rows = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                               {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};

int scaled(const Spec& spec, int channels, double width, const std::string& layer) {
  const double wanted = channels * width;
  const double rounded = std::max(8.0, 8 * std::floor((wanted + 4) / 8));
  return spec.whole(rounded < 0.9 * wanted ? rounded + 8 : rounded, layer);
}

using ConvBnRelu6 = ConvBnThen<Relu6>;

class InvertedResidual : public Module {
 public:
  InvertedResidual(int in, int out, int stride, int expansion, Random& init)
      : adds_(stride == 1 && in == out) {
    const int wide = in * expansion;
    auto layers = std::make_unique<Sequential>();
    if (expansion > 1) layers->add<ConvBnRelu6>(in, wide, 1, ConvOptions{}, init);
    layers->add<ConvBnRelu6>(wide, wide, 3, ConvOptions{.stride = stride, .groups = wide}, init);
    add_conv_bn(*layers, wide, out, 1, {}, init);
    layers_ = &adopt("conv", std::move(layers));
  }

  Var forward(Var x) override {
    const Var y = layers_->forward(x);
    return adds_ ? add(x, y) : y;
  }

 private:
  bool adds_;
  Layer* layers_ = nullptr;
};

void draw(Layer& net, Random& init) {
  for (Parameter* p : net.parameters()) {
    if (p->value.rank() == 4) kaiming_normal(p->value, Fan::out, init);
    if (p->value.rank() == 2) normal(p->value, 0.01F, init);
    if (p->name == "classifier.1.bias") constant(p->value, 0);
  }
}

std::unique_ptr<Layer> make_network(const Spec& spec, int stem_stride,
                                    const std::vector<Row>& table, int last) {
  auto features = std::make_unique<Sequential>();
  const auto width_of = [&](int channels, double width) {
    return scaled(spec, channels, width, join("features.", features->size()));
  };
  int in = width_of(32, double{spec.width});
  features->add<ConvBnRelu6>(spec.input[2], in, 3, ConvOptions{.stride = stem_stride}, spec.init);
  for (const Row& row : table) {
    for (int b = 0; b < row.blocks; ++b) {
      const int out = width_of(row.channels, double{spec.width});
      features->add<InvertedResidual>(in, out, b == 0 ? row.stride : 1, row.expansion, spec.init);
      in = out;
    }
  }
  last = width_of(last, std::max(1.0, double{spec.width}));
  features->add<ConvBnRelu6>(in, last, 1, ConvOptions{}, spec.init);
  auto classifier = std::make_unique<Sequential>();
  classifier->add<Dropout>(0.2F);
  classifier->add<Linear>(last, spec.classes, spec.init);
  auto net = std::make_unique<Sequential>();
  net->append("features", std::move(features));
  net->add_named<GlobalAveragePool>("pool");
  net->append("classifier", std::move(classifier));
  draw(*net, spec.init);
  return net;
}

}  // namespace

std::unique_ptr<Layer> mobilenet_v2(const Spec& spec, int last) {
  spec.require_size(8);
  std::vector<Row> table = rows;
  table[1].stride = 1;
  return make_network(spec, 1, table, last);
}

std::unique_ptr<Layer> mobilenet_v2_224(const Spec& spec) {
  spec.require_size(32);
  return make_network(spec, 2, rows, 1280);
}

}  // namespace bonsai::zoo
