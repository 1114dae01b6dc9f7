// How much of a network can go at once: its accuracy when the units with the lowest scores are
// removed, wherever they are, in rising parts and without any training. A network whose channels
// were driven apart stays flat until only channels that matter are left, and falls off there.
#pragma once

#include <atomic>
#include <functional>
#include <span>
#include <vector>

#include "compress/criterion.h"
#include "compress/judge.h"

namespace bonsai {

struct CliffPoint {
  double part = 0;  // of the units, asked for
  int units = 0;    // removed: fewer where groups are at their floor; or structures
  double macs = 0;  // of the whole that are left
  PrunedAccuracy without;
};

struct CliffOptions {
  double step = 0.1;   // parts: 0, step, 2 step, ... below 1
  double floor = 0.1;  // Budget::floor
  std::function<void(int done, int total)> progress = {};
  const std::atomic<bool>* stop = nullptr;  // true: end with the points so far
};

std::vector<CliffPoint> measure_cliff(const Graph& graph, const Coupling& coupling,
                                      const Scores& scores, const Judge& judge,
                                      std::span<const Batch> calibration,
                                      const CliffOptions& options);

// The same of what goes as a whole, such as residual blocks: of `all`, of which `count` can go, one
// more for each point, or a twentieth of many. without(i) is the network without the i lowest.
std::vector<CliffPoint> measure_structure_cliff(const Graph& graph, int all, int count,
                                                const std::function<Graph(int)>& without,
                                                const Judge& judge,
                                                std::span<const Batch> calibration,
                                                const CliffOptions& options);

}  // namespace bonsai
