// Judging networks that were pruned and not trained: on pictures that are neither calibration nor
// test pictures.
#pragma once

#include <array>
#include <atomic>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "compress/couple.h"
#include "compress/measurements.h"
#include "data/loader.h"

namespace bonsai {

// Pictures with the network's normalisation. They stay the caller's.
struct Judge {
  const Images& images;
  std::array<float, 3> mean, deviation;
};

struct Accuracy {
  double loss = 0, accuracy = 0;  // cross-entropy, share of pictures
};

// Nothing when stopped.
std::optional<Accuracy> judged(Graph& graph, const Judge& judge,
                               const std::atomic<bool>* stop = nullptr);

// As figures to keep (compress/measurements.h).
std::vector<double> figures_of(const Accuracy& accuracy);
Accuracy accuracy_of(std::span<const double> figures);

// Of one pruned network, before and after recalibration of batch norm (compress/recalibrate.h):
// much of the first damage is only wrong statistics.
struct PrunedAccuracy {
  Accuracy pruned, recalibrated;
};
// `kept`: where the figures are looked up by `name`, and written down; null: nowhere.
std::optional<PrunedAccuracy> judged_without(const Graph& graph, const Coupling& coupling,
                                             const std::set<int>& gone, const Judge& judge,
                                             std::span<const Batch> calibration,
                                             const std::atomic<bool>* stop = nullptr,
                                             Measurements* kept = nullptr,
                                             const std::string& name = {});

}  // namespace bonsai
