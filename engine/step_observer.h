// StepObserver: who wants to know what each step of a tape or a session costs. A tape or session
// tells the one that it was given, after the step; given none, it times nothing.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "engine/op.h"

namespace bonsai {

// A step, or one direction of it, that has just run.
struct StepRun {
  std::string name;       // "stage1.0.bn1", or "add_12" where no parameter names it
  std::string operation;  // "batch_norm + add + relu": all that ran in the step
  int node = 0;           // the last of its nodes, which tells steps of one name apart
  const Op& op;
  Direction direction = Direction::forward;
  std::span<const Tensor> in;           // shapes without memory where they are not read
  const Tensor& out;                    // its shape
  std::span<const Gradient> grad = {};  // what a backward direction wrote
  double seconds = 0;
};

class StepObserver {
 public:
  virtual ~StepObserver() = default;
  virtual void ran(const StepRun& run) = 0;
  // Time of a training step outside of operations: "update of weights".
  virtual void spent(std::string_view what, double seconds) = 0;
};

}  // namespace bonsai
