#include "zoo/shufflenet.h"

#include <map>
#include <string>
#include <vector>

#include "engine/error.h"
#include "layers/basic.h"

namespace bonsai::zoo {
namespace {

// Table 1: the channels of stage 2 by the number of groups, which keep the work alike. Stages 3 and
// 4 have twice and four times as many.
const std::map<int, int> stage2 = {{1, 144}, {2, 200}, {3, 240}, {4, 272}, {8, 384}};
constexpr int units[] = {4, 8, 4};

int stem_width(const Spec& spec, int groups) {
  return spec.width == 1.5F ? 24 : spec.scaled(24, "conv1", groups);
}

// Figure 2, b and c. With stride 2, what the pooled input lacks of `out` channels is computed.
class Unit : public Module {
 public:
  Unit(int in, int out, int stride, int groups_in, int groups, Random& init)
      : stride_(stride), groups_(groups) {
    const int middle = out / 4;
    convolve(in, middle, 1, {.groups = groups_in}, init);
    convolve(middle, middle, 3, {.stride = stride, .padding = 1, .groups = middle}, init);
    convolve(middle, stride == 1 ? out : out - in, 1, {.groups = groups}, init);
  }

  Var forward(Var x) override {
    Var y = channel_shuffle(relu(apply(0, x)), groups_);
    y = apply(2, apply(1, y));
    if (stride_ == 1) return relu(add(x, y));
    return relu(concat({average_pool(x, {.kernel = 3, .stride = 2, .padding = 1}), y}));
  }

 private:
  void convolve(int in, int out, int kernel, ConvOptions options, Random& init) {
    const std::string position = std::to_string(convs_.size() + 1);
    options.bias = false;
    convs_.push_back(&child<Conv2d>("conv" + position, in, out, kernel, options, init));
    norms_.push_back(&child<BatchNorm>("bn" + position, out));
  }

  Var apply(size_t i, Var x) { return norms_[i]->forward(convs_[i]->forward(x)); }

  int stride_, groups_;
  std::vector<Conv2d*> convs_;
  std::vector<BatchNorm*> norms_;
};

class ShuffleNet : public Module {
 public:
  ShuffleNet(const Spec& spec, int groups, int stem_stride) : stem_pool_(stem_stride == 2) {
    const auto published = stage2.find(groups);
    require(published != stage2.end(), spec.name, ": there are no ", groups,
            " groups, only 1, 2, 3, 4 and 8");
    int in = stem_width(spec, groups);
    const ConvOptions stem{.stride = stem_stride, .padding = 1, .bias = false};
    stem_ = &child<Conv2d>("conv1", spec.input[2], in, 3, stem, spec.init);
    norm_ = &child<BatchNorm>("bn1", in);
    int out = spec.scaled(published->second, "stage2", 4 * groups);
    for (int s = 0; s < 3; ++s, out *= 2) {
      auto stage = std::make_unique<Sequential>();
      for (int u = 0; u < units[s]; ++u) {
        // The input of the very first unit is too narrow for groups (section 3.2).
        const int groups_in = s == 0 && u == 0 ? 1 : groups;
        stage->add<Unit>(in, out, u == 0 ? 2 : 1, groups_in, groups, spec.init);
        in = out;
      }
      stages_.push_back(&adopt(join("stage", s + 2), std::move(stage)));
    }
    classifier_ = &child<Linear>("fc", in, spec.classes, spec.init);
  }

  Var forward(Var x) override {
    x = relu(norm_->forward(stem_->forward(x)));
    if (stem_pool_) x = max_pool(x, {.kernel = 3, .stride = 2, .padding = 1});
    for (Layer* stage : stages_) x = stage->forward(x);
    return classifier_->forward(global_average_pool(x));
  }

 private:
  bool stem_pool_;
  Conv2d* stem_ = nullptr;
  BatchNorm* norm_ = nullptr;
  std::vector<Layer*> stages_;
  Linear* classifier_ = nullptr;
};

}  // namespace

std::unique_ptr<Layer> shufflenet(const Spec& spec, int groups) {
  spec.require_size(8);
  return std::make_unique<ShuffleNet>(spec, groups, 1);
}

std::unique_ptr<Layer> shufflenet_224(const Spec& spec, int groups) {
  spec.require_size(32);
  return std::make_unique<ShuffleNet>(spec, groups, 2);
}

}  // namespace bonsai::zoo
