// Objective: what a training makes small. One that is not the plain cross-entropy of a classifier
// may ask another network as well and learn parameters of its own, which stay behind when the
// network is saved.
#pragma once

#include <vector>

#include "data/loader.h"
#include "engine/layer.h"
#include "layers/checkpoint.h"

namespace bonsai {

struct Recorded {
  Var logits;  // [N, classes]
  Var loss;    // [1]
};

class Objective {
 public:
  virtual ~Objective() = default;

  // Records the network's pass over the batch and what it comes to. `smoothing` is that of the
  // labels. The same batch gives the same bits, however often it is asked.
  virtual Recorded record(Tape& tape, Layer& net, const Batch& batch, float smoothing) = 0;

  // What is learnt besides the network.
  virtual std::vector<Parameter*> parameters() { return {}; }

  // What tells this training from others: its checkpoints are refused by those.
  virtual RunIdentity identity() const { return {}; }
};

// The cross-entropy of the network's answers and the labels: what is made small by default.
class Classification : public Objective {
 public:
  Recorded record(Tape& tape, Layer& net, const Batch& batch, float smoothing) override;
};

// The network's parameters and the objective's, if there is one.
std::vector<Parameter*> learnt_parameters(Layer& net, Objective* objective);

}  // namespace bonsai
