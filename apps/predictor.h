// What a network thinks a picture is.
#pragma once

#include <vector>

#include "data/image.h"
#include "engine/session.h"

namespace bonsai::app {

class Predictor {
 public:
  // Throws Error when the graph does not take colour pictures or says nothing of classes.
  explicit Predictor(const Graph& graph);

  // The probability of each class. A picture of another size is cropped and resized.
  std::vector<double> probabilities(const Picture& picture);
  double last_ms() const { return last_ms_; }  // of the network alone, for the last picture

 private:
  Session session_;
  std::vector<float> mean_, std_;
  std::vector<float> x_, y_;
  double last_ms_ = 0;
};

// The places of the k highest, highest first.
std::vector<size_t> highest(const std::vector<double>& values, size_t k);

// The name of a class, or its number where the model has none.
std::string class_name(const Graph& graph, size_t i);

}  // namespace bonsai::app
