// Segmentation is learned: which pixels belong to a disc, which to a square, which to neither. The
// shapes are alike in brightness and larger than a few 3x3 convolutions see.
#include "data/shapes.h"
#include "layers/basic.h"
#include "layers/picture_metrics.h"
#include "tests/catch.h"
#include "tests/picture_training.h"
#include "zoo/segmentation.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

constexpr int size = 28;

struct Scenes {
  Tensor pictures;  // [N, size, size, 1]
  Tensor classes;   // [N, size, size]: 0 ground, 1 disc, 2 square
};

// A disc and, perhaps over it, a square of radius 7 to 10 and brightness 0.7, all of it with noise.
Scenes drawn_scenes(uint64_t seed, int count) {
  Scenes scenes{Tensor({count, size, size, 1}), Tensor({count, size, size})};
  for (int n = 0; n < count; ++n) {
    Random random(seed, Purpose::test, static_cast<uint64_t>(n));
    const size_t first = static_cast<size_t>(n) * size * size;
    int label = 0;
    for (const auto distance : {shapes::circle, shapes::square}) {
      ++label;
      const float radius = random.uniform(7, 10);
      const float x = random.uniform(radius, size - radius);
      const float y = random.uniform(radius, size - radius);
      for (int i = 0; i < size * size; ++i) {
        const float column = static_cast<float>(i % size) + 0.5F;
        const float row = static_cast<float>(i / size) + 0.5F;
        if (distance({(column - x) / radius, (row - y) / radius}) >= 0) continue;
        scenes.pictures[first + static_cast<size_t>(i)] = Scalar(0.7);
        scenes.classes[first + static_cast<size_t>(i)] = static_cast<Scalar>(label);
      }
    }
    for (size_t i = first; i < first + size * size; ++i) {
      scenes.pictures[i] += Scalar(0.15) * random.normal();
    }
  }
  return scenes;
}

double trained_iou(Layer& net) {
  const Scenes train = drawn_scenes(1, 512), test = drawn_scenes(2, 128);
  train_on_pictures(net, train.pictures, train.classes,
                    [](Var logits, Var classes) { return cross_entropy(logits, classes); },
                    {.steps = 240, .batch = 6, .learning_rate = 1e-2F});
  std::vector<std::vector<int>> confusion;
  count_pixels(predicted(net, test.pictures), test.classes, confusion);
  return mean_iou(confusion);
}

// A single convolution tells bright pixels from dark ones and guesses the shape.
double one_layer_iou() {
  Random init(1, Purpose::init);
  Conv2d net(1, 3, 5, ConvOptions{.padding = 2}, init);
  return trained_iou(net);
}

}  // namespace

TEST_CASE("transposed convolutions learn to draw the classes of pixels at full size") {
  const auto net = zoo::deconvolution_segmentation();
  const double iou = trained_iou(*net), baseline = one_layer_iou();
  INFO("one layer " << baseline << ", deconvolution " << iou);
  CHECK(iou > 0.7);             // 0.80 to 0.81
  CHECK(iou > baseline + 0.1);  // 0.55
}

TEST_CASE("dilation lets a network see the shape that a pixel belongs to", "[slow]") {
  const auto atrous = zoo::atrous_segmentation(), undilated = zoo::undilated_segmentation();
  const double with = trained_iou(*atrous), without = trained_iou(*undilated);
  INFO("undilated " << without << ", atrous " << with);
  CHECK(with > 0.8);             // 0.87 to 0.90
  CHECK(with > without + 0.08);  // 0.76
}
