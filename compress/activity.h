// How active channels are: what the values of a graph look like, channel by channel, when
// pictures run through it as in inference.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "data/loader.h"
#include "engine/graph.h"

namespace bonsai {

// Of the channels of one value, over all pictures and positions.
struct Activity {
  int64_t count = 0;              // numbers per channel
  std::vector<int64_t> zeros;     // of them exactly 0
  std::vector<double> magnitude;  // the sum of |a|
};

// By value number. The graph is not changed.
std::map<int, Activity> measure_activity(const Graph& graph, std::span<const Batch> pictures,
                                         std::span<const int> values);

}  // namespace bonsai
