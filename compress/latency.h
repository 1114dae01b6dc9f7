// How long a network takes. Multiply-adds do not tell: a pruned network can be slower than its
// parent. So it is run, as it would be shipped (engine/session.h), and timed.
//
// Networks that are compared take turns, since a machine that is busy or throttled for a moment
// must not fall on one of them alone. The first run of a turn is not counted: it brings the
// network's weights back into the cache, where they lie when it runs alone. The median ignores
// the odd interruption, the 90th percentile shows it.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "engine/graph.h"

namespace bonsai {

struct Latency {
  double median_ms = 0, p90_ms = 0;
  int runs = 0;  // that were counted
};

struct LatencyOptions {
  int batch = 1;
  int threads = 1;
  int runs = 50;       // of each network, at least, unless time runs out
  double seconds = 1;  // for each network, at most (but for one turn); at least a quarter of it
};

Latency measure_latency(const Graph& graph, const LatencyOptions& options = {});
// Of several networks, in turns.
std::vector<Latency> measure_latencies(std::span<const Graph* const> graphs,
                                       const LatencyOptions& options = {});

// The same for anything that can be run, with the caller's clock (milliseconds).
std::vector<Latency> take_turns(std::span<const std::function<void()>> jobs,
                                const LatencyOptions& options,
                                const std::function<double()>& clock);

// The mean of the two middle times when their number is even; the 90th percentile is the smallest
// time that at least 90 % do not exceed.
Latency summarize(std::vector<double> times);

}  // namespace bonsai
