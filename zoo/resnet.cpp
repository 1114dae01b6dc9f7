#include "zoo/resnet.h"

#include <string>
#include <vector>

#include "engine/error.h"
#include "layers/basic.h"
#include "layers/init.h"

namespace bonsai::zoo {
namespace {

enum class Kind { basic, bottleneck };

// What stands beside a block that halves the map or changes the width: the paper's options A and B.
enum class Shortcut { padded, projection };

// Every stride-th pixel, and channels of zeros after those of the input.
std::unique_ptr<Layer> padded_shortcut(int in, int out, int stride) {
  return std::make_unique<Stateless>([zeros = out - in, stride](Var x) {
    return pad_channels(average_pool(x, {.kernel = 1, .stride = stride}), zeros);
  });
}

std::unique_ptr<Layer> projection_shortcut(int in, int out, int stride, Random& init) {
  auto shortcut = std::make_unique<Sequential>();
  shortcut->add<Conv2d>(in, out, 1, ConvOptions{.stride = stride, .bias = false}, init);
  shortcut->add<BatchNorm>(out);
  return shortcut;
}

// The widening of a bottleneck's last convolution.
int expansion(Kind kind) { return kind == Kind::bottleneck ? 4 : 1; }

class Block : public Module {
 public:
  Block(Kind kind, Shortcut shortcut, int in, int width, int stride, Random& init) {
    const int out = width * expansion(kind);
    if (kind == Kind::basic) {
      convolve(in, width, 3, stride, init);
      convolve(width, out, 3, 1, init);
    } else {
      convolve(in, width, 1, 1, init);
      convolve(width, width, 3, stride, init);
      convolve(width, out, 1, 1, init);
    }
    if (stride == 1 && in == out) return;
    shortcut_ = &adopt("downsample", shortcut == Shortcut::padded
                                         ? padded_shortcut(in, out, stride)
                                         : projection_shortcut(in, out, stride, init));
  }

  Var forward(Var x) override {
    Var y = x;
    for (size_t i = 0; i < convs_.size(); ++i) {
      y = norms_[i]->forward(convs_[i]->forward(y));
      if (i + 1 < convs_.size()) y = relu(y);
    }
    return relu(add(y, shortcut_ != nullptr ? shortcut_->forward(x) : x));
  }

 private:
  void convolve(int in, int out, int kernel, int stride, Random& init) {
    const std::string position = std::to_string(convs_.size() + 1);
    const ConvOptions options{.stride = stride, .padding = kernel / 2, .bias = false};
    convs_.push_back(&child<Conv2d>("conv" + position, in, out, kernel, options, init));
    norms_.push_back(&child<BatchNorm>("bn" + position, out));
  }

  std::vector<Conv2d*> convs_;
  std::vector<BatchNorm*> norms_;
  Layer* shortcut_ = nullptr;
};

struct Plan {
  Kind kind = Kind::basic;
  Shortcut shortcut = Shortcut::projection;
  std::vector<int> blocks, widths;  // of each stage
  int stem_kernel = 3, stem_stride = 1;
  bool stem_pool = false;
  Fan fan = Fan::in;
};

class ResNet : public Module {
 public:
  ResNet(const Spec& spec, const Plan& plan) : stem_pool_(plan.stem_pool) {
    int in = spec.scaled(plan.widths[0], "conv1");
    const ConvOptions stem{
        .stride = plan.stem_stride, .padding = plan.stem_kernel / 2, .bias = false};
    stem_ = &child<Conv2d>("conv1", spec.input[2], in, plan.stem_kernel, stem, spec.init);
    norm_ = &child<BatchNorm>("bn1", in);
    for (size_t s = 0; s < plan.blocks.size(); ++s) {
      const std::string name = join("layer", s + 1);
      const int width = spec.scaled(plan.widths[s], name);
      auto stage = std::make_unique<Sequential>();
      for (int b = 0; b < plan.blocks[s]; ++b) {
        const int stride = s > 0 && b == 0 ? 2 : 1;
        stage->add<Block>(plan.kind, plan.shortcut, in, width, stride, spec.init);
        in = width * expansion(plan.kind);
      }
      stages_.push_back(&adopt(name, std::move(stage)));
    }
    classifier_ = &child<Linear>("fc", in, spec.classes, spec.init);
    for (Parameter* p : parameters()) {
      if (p->value.rank() == 4) kaiming_normal(p->value, plan.fan, spec.init);
    }
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

std::unique_ptr<Layer> small_resnet(const Spec& spec, int depth, Shortcut shortcut) {
  require(depth >= 8 && depth % 6 == 2, "resnet: depth ", depth, " should be 6 n + 2, as 20 or 56");
  const int n = (depth - 2) / 6;
  return std::make_unique<ResNet>(
      spec, Plan{.shortcut = shortcut, .blocks = {n, n, n}, .widths = {16, 32, 64}});
}

}  // namespace

std::unique_ptr<Layer> resnet_a(const Spec& spec, int depth) {
  return small_resnet(spec, depth, Shortcut::padded);
}

std::unique_ptr<Layer> resnet_b(const Spec& spec, int depth) {
  return small_resnet(spec, depth, Shortcut::projection);
}

std::unique_ptr<Layer> resnet_224(const Spec& spec, int depth) {
  require(depth == 18 || depth == 34 || depth == 50, "resnet: there is no depth ", depth,
          ", only 18, 34 and 50");
  spec.require_size(32);
  const std::vector<int> shallow = {2, 2, 2, 2}, deep = {3, 4, 6, 3};
  return std::make_unique<ResNet>(spec, Plan{.kind = depth == 50 ? Kind::bottleneck : Kind::basic,
                                             .blocks = depth == 18 ? shallow : deep,
                                             .widths = {64, 128, 256, 512},
                                             .stem_kernel = 7,
                                             .stem_stride = 2,
                                             .stem_pool = true,
                                             .fan = Fan::out});
}

}  // namespace bonsai::zoo
