#include "compress/judge.h"

#include "compress/prune.h"
#include "compress/recalibrate.h"
#include "layers/evaluate.h"

namespace bonsai {

std::optional<Accuracy> judged(Graph& graph, const Judge& judge, const std::atomic<bool>* stop) {
  const auto evaluation =
      evaluate(graph, judge.images, judge.mean, judge.deviation, {.stop = stop});
  if (!evaluation) return std::nullopt;
  return Accuracy{evaluation->loss, evaluation->accuracy};
}

std::optional<PrunedAccuracy> judged_without(const Graph& graph, const Coupling& coupling,
                                             const std::set<int>& gone, const Judge& judge,
                                             std::span<const Batch> calibration,
                                             const std::atomic<bool>* stop) {
  Graph small = prune(graph, coupling, gone);
  const std::optional<Accuracy> pruned = judged(small, judge, stop);
  if (!pruned) return std::nullopt;
  recalibrate(small, calibration);
  const std::optional<Accuracy> recalibrated = judged(small, judge, stop);
  if (!recalibrated) return std::nullopt;
  return PrunedAccuracy{*pruned, *recalibrated};
}

}  // namespace bonsai
