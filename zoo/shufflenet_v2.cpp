#include "zoo/shufflenet_v2.h"

#include <array>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "layers/basic.h"
#include "zoo/conv_bn.h"

namespace bonsai::zoo {
namespace {

// Table 5: the channels of the first convolution, of stages 2 to 4 and of the last convolution.
struct Widths {
  int first;
  std::array<int, 3> stages;
  int last;
};
struct Column {
  float width;
  Widths widths;
};
constexpr Column table[] = {{0.5F, {24, {48, 96, 192}, 1024}},
                            {1, {24, {116, 232, 464}, 1024}},
                            {1.5F, {24, {176, 352, 704}, 1024}},
                            {2, {24, {244, 488, 976}, 2048}}};
constexpr int units[] = {4, 8, 4};

Widths widths_of(const Spec& spec) {
  for (const Column& column : table) {
    if (column.width == spec.width) return column.widths;
  }
  return {
      spec.scaled(24, "conv1"),
      {spec.scaled(116, "stage2", 2), spec.scaled(232, "stage3", 2), spec.scaled(464, "stage4", 2)},
      spec.scaled(1024, "conv5")};
}

// Half of the channels: the first (0) or the second (1).
Var half_of(Var x, int which) {
  std::vector<int> index(static_cast<size_t>(x.shape().back() / 2));
  std::iota(index.begin(), index.end(), which * static_cast<int>(index.size()));
  return select(x, std::move(index));
}

// Figure 3, c and d: the first branch is there only where the map is halved.
class Unit : public Module {
 public:
  Unit(int in, int out, int stride, Random& init) {
    const int half = out / 2;
    if (stride == 2) {
      auto branch1 = std::make_unique<Sequential>();
      add_conv_bn(*branch1, in, in, 3, {.stride = stride, .groups = in}, init);
      add_conv_bn(*branch1, in, half, 1, {}, init);
      branch1->add<Relu>();
      branch1_ = &adopt("branch1", std::move(branch1));
    }
    auto branch2 = std::make_unique<Sequential>();
    add_conv_bn(*branch2, stride == 2 ? in : half, half, 1, {}, init);
    branch2->add<Relu>();
    add_conv_bn(*branch2, half, half, 3, {.stride = stride, .groups = half}, init);
    add_conv_bn(*branch2, half, half, 1, {}, init);
    branch2->add<Relu>();
    branch2_ = &adopt("branch2", std::move(branch2));
  }

  Var forward(Var x) override {
    const Var first = branch1_ != nullptr ? branch1_->forward(x) : half_of(x, 0);
    const Var second = branch2_->forward(branch1_ != nullptr ? x : half_of(x, 1));
    return channel_shuffle(concat({first, second}), 2);
  }

 private:
  Layer *branch1_ = nullptr, *branch2_ = nullptr;
};

std::unique_ptr<Layer> make_network(const Spec& spec, int stem_stride) {
  const Widths widths = widths_of(spec);
  auto net = std::make_unique<Sequential>();
  int in = widths.first;
  net->add_named<ConvBnThen<Relu>>("conv1", spec.input[2], in, 3,
                                   ConvOptions{.stride = stem_stride}, spec.init);
  if (stem_stride == 2) {
    net->add_named<MaxPool>("maxpool", PoolOptions{.kernel = 3, .stride = 2, .padding = 1});
  }
  for (size_t s = 0; s < widths.stages.size(); ++s) {
    auto stage = std::make_unique<Sequential>();
    for (int u = 0; u < units[s]; ++u) {
      stage->add<Unit>(in, widths.stages[s], u == 0 ? 2 : 1, spec.init);
      in = widths.stages[s];
    }
    net->append(join("stage", s + 2), std::move(stage));
  }
  net->add_named<ConvBnThen<Relu>>("conv5", in, widths.last, 1, ConvOptions{}, spec.init);
  net->add_named<GlobalAveragePool>("pool");
  net->add_named<Linear>("fc", widths.last, spec.classes, spec.init);
  return net;
}

}  // namespace

std::unique_ptr<Layer> shufflenet_v2(const Spec& spec) {
  spec.require_size(8);
  return make_network(spec, 1);
}

std::unique_ptr<Layer> shufflenet_v2_224(const Spec& spec) {
  spec.require_size(32);
  return make_network(spec, 2);
}

}  // namespace bonsai::zoo
