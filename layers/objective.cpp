#include "layers/objective.h"

#include "engine/ops.h"

namespace bonsai {

Recorded Classification::record(Tape& tape, Layer& net, const Batch& batch, float smoothing) {
  const Var logits = net.forward(tape.constant(batch.images));
  return {logits, cross_entropy(logits, tape.constant(batch.labels), smoothing)};
}

std::vector<Parameter*> learnt_parameters(Layer& net, Objective* objective) {
  std::vector<Parameter*> all = net.parameters();
  if (objective == nullptr) return all;
  const std::vector<Parameter*> more = objective->parameters();
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

}  // namespace bonsai
