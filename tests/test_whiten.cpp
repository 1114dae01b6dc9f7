// A whitened first layer: its responses to the pictures are uncorrelated and of equal size.
#include "layers/whiten.h"

#include <algorithm>
#include <cmath>

#include "data/loader.h"
#include "engine/error.h"
#include "layers/basic.h"
#include "tests/catch.h"
#include "tests/error_of.h"

using namespace bonsai;

namespace {

constexpr std::array<float, 3> mean{0.5F, 0.4F, 0.45F}, deviation{0.2F, 0.25F, 0.3F};

// Pictures whose neighbouring pixels and colours depend on one another, one class after the other.
Images correlated(int count) {
  Images images = make_images(count, 7, 6);
  Random random(5, Purpose::test);
  float value = 0.5F;
  for (size_t i = 0; i < images.pixels.size(); ++i) {
    value = 0.8F * value + 0.2F * random.uniform(0.1F, 0.9F);
    images.pixels[i] = static_cast<uint8_t>(255 * std::clamp(value, 0.0F, 1.0F));
  }
  return images;
}

Graph first_layer(int out, int kernel, const ConvOptions& options = {.bias = false}) {
  Random init(1, Purpose::init);
  Conv2d layer(3, out, kernel, options, init);
  return trace(layer, {1, 7, 6, 3});
}

// Of the responses to all pictures, by channel: [out, out].
std::vector<double> response_covariance(Graph& graph, const Images& images) {
  Loader loader(images, mean, deviation, {.batch = images.count()});
  Batch batch;
  loader.start(0);
  REQUIRE(loader.next(batch));
  Tape tape(Mode::inference);
  const Tensor y = graph.forward(tape.constant(batch.images)).value();
  const size_t out = static_cast<size_t>(y.dim(-1)), rows = y.size() / out;
  std::vector<double> mean_of(out), covariance(out * out);
  for (size_t i = 0; i < y.size(); ++i)
    mean_of[i % out] += double{y[i]} / static_cast<double>(rows);
  for (size_t r = 0; r < rows; ++r)
    for (size_t i = 0; i < out; ++i)
      for (size_t j = 0; j < out; ++j)
        covariance[i * out + j] += (double{y[r * out + i]} - mean_of[i]) *
                                   (double{y[r * out + j]} - mean_of[j]) /
                                   static_cast<double>(rows);
  return covariance;
}

// Largest difference from the covariance of k uncorrelated responses of size 1 and their negatives.
double distance_from_white(const std::vector<double>& covariance, size_t out) {
  double largest = 0;
  for (size_t i = 0; i < out; ++i) {
    for (size_t j = 0; j < out; ++j) {
      const double same = i % (out / 2) == j % (out / 2) ? 1 : 0;
      const double expected = (i < out / 2) == (j < out / 2) ? same : -same;
      largest = std::max(largest, std::abs(covariance[i * out + j] - expected));
    }
  }
  return largest;
}

}  // namespace

TEST_CASE("the responses of a whitened layer have the identity as their covariance") {
  const Images images = correlated(40);
  for (const int out : {24, 10}) {
    Graph graph = first_layer(out, 2);
    CHECK(distance_from_white(response_covariance(graph, images), static_cast<size_t>(out)) > 0.5);
    whiten_first_layer(graph, images, mean, deviation, {.eps = 0});
    CHECK(distance_from_white(response_covariance(graph, images), static_cast<size_t>(out)) < 1e-3);
    CHECK_FALSE(graph.parameters()[0]->trainable);
  }
  // At the places that the layer itself reads, zeros of its padding among them.
  for (const ConvOptions& options : {ConvOptions{.padding = 1, .bias = false},
                                     ConvOptions{.stride = 2, .padding = 2, .bias = false}}) {
    Graph graph = first_layer(24, 2, options);
    whiten_first_layer(graph, images, mean, deviation, {.eps = 0});
    CHECK(distance_from_white(response_covariance(graph, images), 24) < 1e-3);
  }
  Graph damped = first_layer(24, 2);
  whiten_first_layer(damped, images, mean, deviation, {.eps = 0.1});
  const std::vector<double> covariance = response_covariance(damped, images);
  for (size_t i = 0; i < 12; ++i) {
    CHECK(covariance[i * 25] < 1);
    if (i > 0) CHECK(covariance[i * 25] < covariance[(i - 1) * 25]);  // less variance, more damping
  }
}

TEST_CASE("whitening says which first layers it cannot serve") {
  const Images images = correlated(4);
  const auto refusal = [&](Graph graph) {
    return error_of([&] { whiten_first_layer(graph, images, mean, deviation); });
  };
  CHECK(refusal(first_layer(26, 2)) ==
        "whiten: the first convolution has 26 outputs, should be an even number of at most 24");
  CHECK(refusal(first_layer(8, 2, {})) ==
        "whiten: the first convolution has a bias, should have none");
  CHECK(refusal(first_layer(6, 2, {.groups = 3, .bias = false}))
            .starts_with("whiten: the first convolution has groups or dilation"));
  Relu layer;
  CHECK(refusal(trace(layer, {1, 7, 6, 3})) ==
        "whiten: the first layer is relu, should be a convolution");
  Graph flat = first_layer(24, 2);
  CHECK(error_of([&] {
          whiten_first_layer(flat, make_images(3, 7, 6), mean, deviation, {.eps = 0});
        }).starts_with("whiten: the pictures do not vary"));
  Images grey = correlated(40);
  for (size_t i = 0; i < grey.pixels.size(); ++i) grey.pixels[i] = grey.pixels[i / 3 * 3];
  CHECK(error_of([&] {
          whiten_first_layer(flat, grey, mean, {1, 1, 1}, {.eps = 0});
        }).starts_with("whiten: the pictures do not vary in 8 of 12 directions"));
}
