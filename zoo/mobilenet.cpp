#include "zoo/mobilenet.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "layers/basic.h"

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

class Block : public Module {
 public:
  Block(int in, int out, int stride, Random& init)
      : depthwise_(child<Conv2d>(
            "conv1", in, in, 3,
            ConvOptions{.stride = stride, .padding = 1, .groups = in, .bias = false}, init)),
        norm1_(child<BatchNorm>("bn1", in)),
        pointwise_(child<Conv2d>("conv2", in, out, 1, ConvOptions{.bias = false}, init)),
        norm2_(child<BatchNorm>("bn2", out)) {}

  Var forward(Var x) override {
    x = relu(norm1_.forward(depthwise_.forward(x)));
    return relu(norm2_.forward(pointwise_.forward(x)));
  }

 private:
  Conv2d& depthwise_;
  BatchNorm& norm1_;
  Conv2d& pointwise_;
  BatchNorm& norm2_;
};

class MobileNet : public Module {
 public:
  MobileNet(const Spec& spec, int stem_stride) {
    int in = scaled(spec, 32, "conv1");
    const ConvOptions stem{.stride = stem_stride, .padding = 1, .bias = false};
    stem_ = &child<Conv2d>("conv1", spec.input[2], in, 3, stem, spec.init);
    norm_ = &child<BatchNorm>("bn1", in);
    auto blocks = std::make_unique<Sequential>();
    for (const Row& row : rows) {
      const int out = scaled(spec, row.channels, join("layers.", blocks->size()));
      blocks->add<Block>(in, out, row.stride, spec.init);
      in = out;
    }
    blocks_ = &adopt("layers", std::move(blocks));
    classifier_ = &child<Linear>("linear", in, spec.classes, spec.init);
  }

  Var forward(Var x) override {
    x = blocks_->forward(relu(norm_->forward(stem_->forward(x))));
    return classifier_->forward(global_average_pool(x));
  }

 private:
  Conv2d* stem_ = nullptr;
  BatchNorm* norm_ = nullptr;
  Layer* blocks_ = nullptr;
  Linear* classifier_ = nullptr;
};

}  // namespace

std::unique_ptr<Layer> mobilenet(const Spec& spec) {
  spec.require_size(16);
  return std::make_unique<MobileNet>(spec, 1);
}

std::unique_ptr<Layer> mobilenet_224(const Spec& spec) {
  spec.require_size(32);
  return std::make_unique<MobileNet>(spec, 2);
}

}  // namespace bonsai::zoo
