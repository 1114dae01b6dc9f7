#include "compress/judge.h"

#include "compress/prune.h"
#include "compress/recalibrate.h"
#include "engine/error.h"
#include "layers/evaluate.h"

namespace bonsai {

std::optional<Accuracy> judged(Graph& graph, const Judge& judge, const std::atomic<bool>* stop) {
  const auto evaluation =
      evaluate(graph, judge.images, judge.mean, judge.deviation, {.stop = stop});
  if (!evaluation) return std::nullopt;
  return Accuracy{evaluation->loss, evaluation->accuracy};
}

std::vector<double> figures_of(const Accuracy& accuracy) {
  return {accuracy.loss, accuracy.accuracy};
}

Accuracy accuracy_of(std::span<const double> figures) {
  require(figures.size() == 2, "accuracy: ", figures.size(), " figures, should be 2");
  return {.loss = figures[0], .accuracy = figures[1]};
}

std::optional<PrunedAccuracy> judged_without(const Graph& graph, const Coupling& coupling,
                                             const std::set<int>& gone, const Judge& judge,
                                             std::span<const Batch> calibration,
                                             const std::atomic<bool>* stop, Measurements* kept,
                                             const std::string& name) {
  const auto measure = [&]() -> std::optional<Measurements::Figures> {
    Graph small = prune(graph, coupling, gone);
    const std::optional<Accuracy> pruned = judged(small, judge, stop);
    if (!pruned) return std::nullopt;
    recalibrate(small, calibration);
    const std::optional<Accuracy> recalibrated = judged(small, judge, stop);
    if (!recalibrated) return std::nullopt;
    return Measurements::Figures{pruned->loss, pruned->accuracy, recalibrated->loss,
                                 recalibrated->accuracy};
  };
  const auto figures = measured(kept, name, measure);
  if (!figures) return std::nullopt;
  require(figures->size() == 4, "measurement '", name, "': ", figures->size(),
          " figures, should be 4");
  const std::span<const double> all = *figures;
  return PrunedAccuracy{accuracy_of(all.first(2)), accuracy_of(all.last(2))};
}

}  // namespace bonsai
