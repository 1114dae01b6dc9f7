// Penalty: what a training adds to the loss that depends on the weights alone, such as the sum of
// their magnitudes. It stays off the tape: its gradient is added to that of the loss, or it moves
// the weights itself after the optimiser did, which is what makes exact zeros (a proximal step).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "layers/checkpoint.h"

namespace bonsai {

class Penalty {
 public:
  virtual ~Penalty() = default;

  // After the walk backwards: adds its gradient to that of its parameters.
  virtual void add_to_gradients() {}

  // After the optimiser's step. `reach`: how far a steady gradient of 1 moves a weight per step
  // (Optimiser::reach).
  virtual void after_update(float /*reach*/) {}

  // What has to be kept for the next step, by name; shares memory with the penalty's.
  virtual std::vector<std::pair<std::string, Tensor>> state() const { return {}; }

  // What tells this training from others: its checkpoints are refused by those.
  virtual RunIdentity identity() const = 0;
};

}  // namespace bonsai
