#include "zoo/densenet.h"

#include <map>
#include <string>
#include <vector>

#include "engine/error.h"
#include "layers/basic.h"
#include "layers/init.h"

namespace bonsai::zoo {
namespace {

constexpr ConvOptions pointwise{.bias = false}, spatial{.padding = 1, .bias = false};

struct Plan {
  std::vector<int> blocks;  // layers of each
  int growth = 12, first = 16;
  bool bottleneck = true;  // and half the channels from block to block
  bool large = false;      // pictures: the first convolution and a pooling halve them
  Fan fan = Fan::out;
};

class DenseLayer : public Module {
 public:
  DenseLayer(int in, int growth, bool bottleneck, Random& init)
      : norm1_(child<BatchNorm>("norm1", in)),
        conv1_(bottleneck ? child<Conv2d>("conv1", in, 4 * growth, 1, pointwise, init)
                          : child<Conv2d>("conv1", in, growth, 3, spatial, init)) {
    if (!bottleneck) return;
    norm2_ = &child<BatchNorm>("norm2", 4 * growth);
    conv2_ = &child<Conv2d>("conv2", 4 * growth, growth, 3, spatial, init);
  }

  Var forward(Var x) override {
    Var y = conv1_.forward(relu(norm1_.forward(x)));
    if (conv2_ != nullptr) y = conv2_->forward(relu(norm2_->forward(y)));
    return concat({x, y});
  }

 private:
  BatchNorm& norm1_;
  Conv2d& conv1_;
  BatchNorm* norm2_ = nullptr;
  Conv2d* conv2_ = nullptr;
};

std::unique_ptr<Layer> transition(int in, int out, Random& init) {
  auto layers = std::make_unique<Sequential>();
  layers->add_named<BatchNorm>("norm", in);
  layers->add_named<Relu>("relu");
  layers->add_named<Conv2d>("conv", in, out, 1, pointwise, init);
  layers->add_named<AveragePool>("pool");
  return layers;
}

void add_stem(Sequential& features, const Spec& spec, const Plan& plan, int out) {
  const ConvOptions halving{.stride = 2, .padding = 3, .bias = false};
  features.add_named<Conv2d>("conv0", spec.input[2], out, plan.large ? 7 : 3,
                             plan.large ? halving : spatial, spec.init);
  if (!plan.large) return;
  features.add_named<BatchNorm>("norm0", out);
  features.add_named<Relu>("relu0");
  features.add_named<MaxPool>("pool0", PoolOptions{.kernel = 3, .stride = 2, .padding = 1});
}

std::unique_ptr<Layer> make_network(const Spec& spec, const Plan& plan) {
  const int growth = spec.scaled(plan.growth, "features.denseblock1.denselayer1");
  int channels = spec.scaled(plan.first, "features.conv0");
  auto features = std::make_unique<Sequential>();
  add_stem(*features, spec, plan, channels);
  for (size_t b = 0; b < plan.blocks.size(); ++b) {
    if (b > 0) {
      const int out = plan.bottleneck ? channels / 2 : channels;
      features->append(join("transition", b), transition(channels, out, spec.init));
      channels = out;
    }
    auto block = std::make_unique<Sequential>();
    for (int i = 1; i <= plan.blocks[b]; ++i) {
      block->add_named<DenseLayer>(join("denselayer", i), channels, growth, plan.bottleneck,
                                   spec.init);
      channels += growth;
    }
    features->append(join("denseblock", b + 1), std::move(block));
  }
  features->add_named<BatchNorm>(join("norm", plan.blocks.size() + 1), channels);
  auto net = std::make_unique<Sequential>();
  net->append("features", std::move(features));
  net->add_named<Relu>("relu");
  net->add_named<GlobalAveragePool>("pool");
  net->add_named<Linear>("classifier", channels, spec.classes, spec.init);
  for (Parameter* p : net->parameters()) {
    if (p->value.rank() == 4) kaiming_normal(p->value, plan.fan, spec.init);
    if (p->name == "classifier.bias") constant(p->value, 0);
  }
  return net;
}

// Three blocks that share the layers of a depth; `per_layer` convolutions in each.
std::vector<int> three_blocks(const Spec& spec, int depth, int per_layer) {
  const int step = 3 * per_layer;
  require(depth > 4 && (depth - 4) % step == 0, spec.name, ": depth ", depth, " should be ", step,
          " n + 4, as 40 or 100");
  return std::vector(3, (depth - 4) / step);
}

}  // namespace

std::unique_ptr<Layer> densenet(const Spec& spec, int depth, int growth, int first) {
  spec.require_size(4);
  return make_network(spec, {.blocks = three_blocks(spec, depth, 1),
                             .growth = growth,
                             .first = first,
                             .bottleneck = false});
}

std::unique_ptr<Layer> densenet_bc(const Spec& spec, int depth, int growth) {
  spec.require_size(4);
  return make_network(
      spec, {.blocks = three_blocks(spec, depth, 2), .growth = growth, .first = 2 * growth});
}

std::unique_ptr<Layer> densenet_224(const Spec& spec, int depth) {
  const std::map<int, std::vector<int>> blocks = {{121, {6, 12, 24, 16}},
                                                  {161, {6, 12, 36, 24}},
                                                  {169, {6, 12, 32, 32}},
                                                  {201, {6, 12, 48, 32}}};
  const auto entry = blocks.find(depth);
  require(entry != blocks.end(), spec.name, ": there is no depth ", depth,
          ", only 121, 161, 169 and 201");
  spec.require_size(32);
  const int growth = depth == 161 ? 48 : 32;
  return make_network(spec, {.blocks = entry->second,
                             .growth = growth,
                             .first = 2 * growth,
                             .large = true,
                             .fan = Fan::in});
}

}  // namespace bonsai::zoo
