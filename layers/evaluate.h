// How well a network does on pictures that it does not learn from.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <optional>
#include <vector>

#include "data/dataset.h"
#include "engine/layer.h"

namespace bonsai {

struct Evaluation {
  double loss = 0;      // cross-entropy without smoothing, the mean over the pictures
  double accuracy = 0;  // share of pictures whose highest output is their class
  int images = 0;
  std::vector<int> predictions;             // per picture
  std::vector<std::vector<int>> confusion;  // [class][prediction]
};

struct EvaluateOptions {
  int batch = 250;
  bool flip = false;  // the outputs are the mean of those for a picture and for its mirror image
  std::function<void(int done, int total)> progress = {};  // after each batch
  const std::atomic<bool>* stop = nullptr;                 // true: give up after this batch
};

// Mean and deviation as the network was trained with, on values 0 .. 1. Nothing when stopped.
std::optional<Evaluation> evaluate(Layer& net, const Images& images,
                                   const std::array<float, 3>& mean,
                                   const std::array<float, 3>& deviation,
                                   const EvaluateOptions& options);
Evaluation evaluate(Layer& net, const Images& images, const std::array<float, 3>& mean,
                    const std::array<float, 3>& deviation, int batch = 250);

// [N, H, W, C] with left and right exchanged.
Tensor mirrored(const Tensor& images);

// The place of the highest of n values, the first of equals.
int argmax(const Scalar* values, int n);

}  // namespace bonsai
