// The oracle: what the loss really does when one unit alone is removed. Criteria guess this figure;
// here it is measured, unit by unit, which is far too slow to prune by and just right to judge them
// (Molchanov et al. 2017, "Pruning Convolutional Neural Networks for Resource Efficient
// Inference", section 3.1).
#pragma once

#include <atomic>
#include <functional>
#include <span>
#include <vector>

#include "compress/couple.h"
#include "compress/measurements.h"
#include "data/loader.h"

namespace bonsai {

struct OracleOptions {
  std::function<void(int done, int total)> progress = {};
  const std::atomic<bool>* stop = nullptr;  // true: give up
  Measurements* kept = nullptr;             // that an interrupted run goes on with
};

// Per unit of the list: the mean loss (cross-entropy) of the pictures when the unit's channels are
// zero wherever they appear, less the loss of the whole network. Empty when stopped. Only what
// depends on the unit is computed again.
std::vector<double> loss_increase(const Graph& graph, const Coupling& coupling,
                                  std::span<const int> units, std::span<const Batch> pictures,
                                  const OracleOptions& options = {});

// At most `most` units of each group (0: all), a seeded choice, in order.
std::vector<int> sample_units(const Coupling& coupling, int most, uint64_t seed);

}  // namespace bonsai
