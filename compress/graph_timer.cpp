#include "compress/graph_timer.h"

#include "compress/latency.h"

namespace bonsai {

std::vector<double> median_times(std::span<const Graph* const> graphs) {
  std::vector<double> ms;
  for (const Latency& latency : measure_latencies(graphs, {.seconds = 0.08})) {
    ms.push_back(latency.median_ms);
  }
  return ms;
}

}  // namespace bonsai
