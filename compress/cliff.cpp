#include "compress/cliff.h"

#include <algorithm>
#include <cmath>

#include "compress/choose.h"
#include "compress/prune.h"
#include "engine/error.h"

namespace bonsai {
namespace {

constexpr int most_structures = 20;  // that go one by one

}  // namespace

std::vector<CliffPoint> measure_cliff(const Graph& graph, const Coupling& coupling,
                                      const Scores& scores, const Judge& judge,
                                      std::span<const Batch> calibration,
                                      const CliffOptions& options) {
  require(options.step > 0 && options.step < 1, "cliff: the step is ", options.step,
          ", should be above 0 and below 1");
  const double whole = static_cast<double>(pruned_cost(graph, coupling, {}).macs);
  const int steps = static_cast<int>(std::ceil(1 / options.step - 1e-9));
  std::vector<CliffPoint> points;
  for (int i = 0; i < steps; ++i) {
    const double part = i * options.step;
    const std::set<int> gone =
        choose(graph, coupling, scores,
               {.keep = 1 - part, .spread = Spread::global, .floor = options.floor});
    const auto without = judged_without(graph, coupling, gone, judge, calibration, options.stop);
    if (!without) break;
    points.push_back({.part = part,
                      .units = static_cast<int>(gone.size()),
                      .macs = static_cast<double>(pruned_cost(graph, coupling, gone).macs) / whole,
                      .without = *without});
    if (options.progress) options.progress(i + 1, steps);
  }
  return points;
}

std::vector<CliffPoint> measure_structure_cliff(const Graph& graph, int all, int count,
                                                const std::function<Graph(int)>& without,
                                                const Judge& judge,
                                                std::span<const Batch> calibration,
                                                const CliffOptions& options) {
  const double whole = static_cast<double>(total_cost(graph).macs);
  const int steps = std::min(count, most_structures);
  std::vector<CliffPoint> points;
  for (int i = 0; i <= steps; ++i) {
    const int gone = steps > 0 ? i * count / steps : 0;
    const Graph smaller = without(gone);
    const auto accuracy =
        judged_without(smaller, couple(smaller), {}, judge, calibration, options.stop);
    if (!accuracy) break;
    points.push_back({.part = gone / std::max(1.0, static_cast<double>(all)),
                      .units = gone,
                      .macs = static_cast<double>(total_cost(smaller).macs) / whole,
                      .without = *accuracy});
    if (options.progress) options.progress(i + 1, steps + 1);
  }
  return points;
}

}  // namespace bonsai
