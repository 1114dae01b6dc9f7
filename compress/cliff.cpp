#include "compress/cliff.h"

#include <algorithm>
#include <cmath>

#include "compress/block_scales.h"
#include "compress/choose.h"
#include "compress/prune.h"
#include "engine/error.h"

namespace bonsai {

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

std::vector<CliffPoint> measure_block_cliff(const Graph& graph,
                                            const std::vector<std::string>& blocks,
                                            const Judge& judge, std::span<const Batch> calibration,
                                            const CliffOptions& options) {
  const double whole = static_cast<double>(total_cost(graph).macs);
  const int steps = static_cast<int>(blocks.size()) + 1;
  std::vector<CliffPoint> points;
  for (int i = 0; i < steps; ++i) {
    const Graph shorter = without_blocks(graph, {blocks.begin(), blocks.begin() + i});
    const auto without =
        judged_without(shorter, couple(shorter), {}, judge, calibration, options.stop);
    if (!without) break;
    points.push_back({.part = i / std::max(1.0, static_cast<double>(blocks.size())),
                      .units = i,
                      .macs = static_cast<double>(total_cost(shorter).macs) / whole,
                      .without = *without});
    if (options.progress) options.progress(i + 1, steps);
  }
  return points;
}

}  // namespace bonsai
