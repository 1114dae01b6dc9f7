// A profile of a trained network: for every layer, what its weights and activations look like, as
// they are stored and with batch norm folded in.
//
// Read raw figures with care. The size of a weight follows the size of its filter (they start at
// sqrt(2 / fan-in)), so that raw norms fall with depth in most networks for no other reason; and
// behind a convolution batch norm undoes any scale. Folded weights, w gamma / sqrt(var + eps), are
// what the network computes with.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "compress/couple.h"
#include "compress/statistics.h"
#include "data/loader.h"

namespace bonsai {

// Of the filters of one layer. A norm is mean |w| (compress/norms.h).
struct FilterFigures {
  double low = 0, high = 0;       // the smallest and the largest weight
  std::array<double, 5> norms{};  // least, quarter, median, three quarters, largest
  double spread = 0;              // of the norms: deviation / mean
  // How fast sorted norms fall: the slope of a line through norm / largest norm, from the largest
  // (0) to the least (1), with its sign turned. 0: all filters alike, which Li et al. 2017 find in
  // sensitive layers.
  double fall = 0;
};

struct LayerProfile {
  std::string name;
  int depth = 0;   // its place in the order of execution, from 1
  int group = -1;  // in Coupling::groups; -1 when its channels always stay
  FilterFigures raw, folded;
  std::optional<double> gamma;  // mean |gamma| of the batch norm that alone reads it
  std::optional<double> zeros;  // part of zeros behind the relu that follows
  int channels = 0;
  int effective_rank = 0;  // of its activations, at 99 % of the variance
};

// Of every layer that has weights. Throws Error when there are no pictures.
std::vector<LayerProfile> profile_layers(const Graph& graph, const Coupling& coupling,
                                         std::span<const Batch> pictures);

// A figure of a layer by name: "weight range", "weight range, folded", ..., "zeros".
struct LayerFigure {
  std::string name;
  std::optional<double> (*of)(const LayerProfile& layer);
};
const std::vector<LayerFigure>& layer_figures();

struct Correlation {
  std::string figure;
  int pairs = 0;
  double rho = 0;  // Spearman's
  Interval interval;
};

// With depth, over all layers; figures that fewer than three layers have are left out.
std::vector<Correlation> correlate_with_depth(std::span<const LayerProfile> layers, uint64_t seed);
// With a number per group, such as what it loses when pruned: over the groups that have one, each
// with the mean figure of its layers.
std::vector<Correlation> correlate_with_groups(std::span<const LayerProfile> layers,
                                               std::span<const std::optional<double>> of_groups,
                                               uint64_t seed);

}  // namespace bonsai
