#include "engine/step_profile.h"

#include <algorithm>

namespace bonsai {
namespace {

int64_t bytes_of(const Shape& shape) {
  return static_cast<int64_t>(element_count(shape) * sizeof(Scalar));
}

int64_t bytes_forward(const StepRun& run) {
  int64_t bytes = bytes_of(run.out.shape());
  for (const Tensor& in : run.in) bytes += bytes_of(in.shape());
  return bytes;
}

// What a gradient's formula reads is known of the operation as a whole; of a convolution, each
// direction reads the input that the other one writes the gradient of.
bool reads(const StepRun& run, size_t which) {
  if (!run.op.backward_reads(which)) return false;
  if (run.direction == Direction::backward_data) return which == 1;
  return run.direction == Direction::backward || which == 0;
}

int64_t bytes_backward(const StepRun& run) {
  int64_t bytes = bytes_of(run.out.shape());  // its gradient
  if (run.op.backward_reads_result()) bytes += bytes_of(run.out.shape());
  for (size_t i = 0; i < run.in.size(); ++i) {
    const int64_t size = bytes_of(run.in[i].shape());
    if (reads(run, i)) bytes += size;
    if (run.grad[i].wanted()) bytes += run.grad[i].fresh ? size : 2 * size;
  }
  return bytes;
}

std::vector<Shape> shapes_of(std::span<const Tensor> tensors) {
  std::vector<Shape> shapes;
  for (const Tensor& tensor : tensors) shapes.push_back(tensor.shape());
  return shapes;
}

// The derivatives by the data and by the weights each take as many as the value.
int64_t products(const StepRun& run) {
  if (run.direction != Direction::backward) return 1;
  const auto derivatives = run.grad.first(std::min<size_t>(run.grad.size(), 2));
  return std::count_if(derivatives.begin(), derivatives.end(),
                       [](const Gradient& gradient) { return gradient.wanted(); });
}

}  // namespace

void StepProfile::ran(const StepRun& run) {
  const auto [place, is_new] = places_.try_emplace({run.node, run.direction}, steps_.size());
  if (is_new) {
    steps_.push_back({.name = run.name,
                      .operation = run.operation,
                      .direction = run.direction,
                      .kernel = run.op.kernel(run.direction, shapes_of(run.in), run.out.shape()),
                      .out = run.out.shape()});
  }
  StepFigures& figures = steps_[place->second];
  ++figures.runs;
  figures.seconds += run.seconds;
  const bool forward = run.direction == Direction::forward;
  figures.macs += products(run) * run.op.macs(shapes_of(run.in), run.out.shape());
  figures.bytes += forward ? bytes_forward(run) : bytes_backward(run);
}

void StepProfile::spent(std::string_view what, double seconds) {
  const auto known = std::find_if(others_.begin(), others_.end(),
                                  [&](const auto& other) { return other.first == what; });
  if (known != others_.end()) {
    known->second += seconds;
  } else {
    others_.emplace_back(what, seconds);
  }
}

int64_t StepProfile::macs() const {
  int64_t sum = 0;
  for (const StepFigures& step : steps_) sum += step.macs;
  return sum;
}

double StepProfile::seconds() const {
  double sum = 0;
  for (const StepFigures& step : steps_) sum += step.seconds;
  for (const auto& [what, seconds] : others_) sum += seconds;
  return sum;
}

}  // namespace bonsai
