#include "apps/predictor.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "engine/error.h"

namespace bonsai::app {
namespace {

void softmax(const std::vector<float>& logits, std::vector<double>& out) {
  const double top = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  out.clear();
  for (const float logit : logits) {
    out.push_back(std::exp(static_cast<double>(logit) - top));
    sum += out.back();
  }
  for (double& p : out) p /= sum;
}

}  // namespace

Predictor::Predictor(const Graph& graph)
    : session_(graph), mean_(graph.info.mean), std_(graph.info.std) {
  const Shape &in = graph.input_shape(), &out = graph.output_shape();
  require(in.size() == 4 && in[3] == 3, "the network reads inputs of shape ", in,
          ", should be colour pictures [1, height, width, 3]");
  require(out.size() == 2, "the network's result has shape ", out, ", should be [1, classes]");
  require(mean_.size() == 3 && std_.size() == 3,
          "the model does not say how pictures are normalised (mean and std): it cannot read one");
  x_.resize(element_count(in));
  y_.resize(element_count(out));
}

std::vector<double> Predictor::probabilities(const Picture& picture) {
  const int height = session_.input_shape()[1], width = session_.input_shape()[2];
  const bool fits = picture.height == height && picture.width == width;
  const Picture fitted = fits ? picture : fit(picture, height, width);
  for (size_t i = 0; i < x_.size(); ++i)
    x_[i] = (static_cast<float>(fitted.pixels[i]) / 255.0F - mean_[i % 3]) / std_[i % 3];
  const auto start = std::chrono::steady_clock::now();
  session_.run(x_.data(), y_.data());
  last_ms_ =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  std::vector<double> result;
  softmax(y_, result);
  return result;
}

std::vector<size_t> highest(const std::vector<double>& values, size_t k) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return values[a] > values[b]; });
  order.resize(std::min(k, order.size()));
  return order;
}

std::string class_name(const Graph& graph, size_t i) {
  return i < graph.info.classes.size() ? graph.info.classes[i] : std::to_string(i);
}

}  // namespace bonsai::app
