// One step of training: forward, loss, backward, update; and what is wrong when numbers stop
// being numbers.
#pragma once

#include <cstdint>
#include <string>

#include "data/loader.h"
#include "engine/error.h"
#include "engine/layer.h"
#include "layers/objective.h"
#include "layers/optim.h"
#include "layers/penalty.h"

namespace bonsai {

struct StepOptions {
  float learning_rate = 0.1F;
  float label_smoothing = 0;
  uint64_t seed = 1;  // dropout draws from (seed, step)
  int64_t step = 0;
  Objective* objective = nullptr;  // null: Classification
  Penalty* penalty = nullptr;
  StepObserver* observer = nullptr;  // null: nothing is timed
};

struct StepResult {
  double loss = 0;  // the mean over the batch
  int right = 0;    // pictures whose highest output was their class
};

// Thrown before the weights are touched when the loss, a weight or a gradient is not finite. The
// text names the step and the first operation whose result is not finite while what it read was
// (the producer: those after it only pass it on), or the parameter.
struct Diverged : Error {
  using Error::Error;
};

// Gradients are cleared afterwards. The optimiser should know the objective's parameters too.
StepResult train_step(Layer& net, Optimiser& optimiser, const Batch& batch,
                      const StepOptions& options);

}  // namespace bonsai
