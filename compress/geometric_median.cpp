// The geometric median: He et al. 2019, "Filter Pruning via Geometric Median for Deep
// Convolutional Neural Networks Acceleration" (FPGM).
//   score = the mean over the other filters of the layer of |w_i - w_j|, the L2 distance
// A filter near the median of all can be made up for by the others, whatever its norm.
//
// Filters are removed one by one in this score's own order, and the distances to one that is gone
// no longer count: of two equal filters one is superfluous, not both, as scores computed once
// would have it. The score is the mean distance to those left at the filter's turn, raised where
// needed so that scores ascend in order of removal; the last filter keeps the score before it.
// Distances are computed from the differences, signs included (the shortcut
// |a|^2 + |b|^2 - 2ab cancels for close filters), divided by the square root of the filter's
// length, and averaged over the filters that two units have in common layers.
// Cost: n^2 / 2 distances for a layer of n filters.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "compress/filters.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

double distance(std::span<const Scalar> a, std::span<const Scalar> b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = double{a[i]} - double{b[i]};
    sum += d * d;
  }
  return std::sqrt(sum / static_cast<double>(a.size()));
}

// Both lists are sorted by layer. 0 when the units share none.
double unit_distance(const std::vector<Filter>& a, const std::vector<Filter>& b) {
  double sum = 0;
  int pairs = 0;
  for (size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    if (a[i].channel.axis == b[j].channel.axis) {
      sum += distance(a[i++].weights, b[j++].weights);
      ++pairs;
    } else {
      a[i].channel.axis < b[j].channel.axis ? ++i : ++j;
    }
  }
  return pairs > 0 ? sum / pairs : 0;
}

// [n, n], of the units of one group.
std::vector<double> distances(const std::vector<int>& units,
                              const std::vector<std::vector<Filter>>& filters) {
  const size_t n = units.size();
  const auto filters_of = [&](size_t i) -> const std::vector<Filter>& {
    return filters[static_cast<size_t>(units[i])];
  };
  std::vector<double> all(n * n);
  parallel_chunks(static_cast<int64_t>(n), [&](int64_t chunk) {
    const size_t i = static_cast<size_t>(chunk);
    for (size_t j = 0; j < i; ++j) all[i * n + j] = unit_distance(filters_of(i), filters_of(j));
  });
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < i; ++j) all[j * n + i] = all[i * n + j];
  }
  return all;
}

// Scores of n filters from their distances.
std::vector<double> scores_of(const std::vector<double>& distances, size_t n) {
  std::vector<double> sums(n), scores(n);
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < n; ++j) sums[i] += distances[i * n + j];
  }
  std::vector<size_t> left(n);
  std::iota(left.begin(), left.end(), size_t{0});
  double last = 0;
  while (!left.empty()) {
    const auto least = std::min_element(left.begin(), left.end(),
                                        [&](size_t a, size_t b) { return sums[a] < sums[b]; });
    const size_t gone = *least;
    const double mean = left.size() > 1 ? sums[gone] / static_cast<double>(left.size() - 1) : last;
    last = std::max(mean, std::nextafter(last, std::numeric_limits<double>::max()));
    scores[gone] = last;
    left.erase(least);
    for (const size_t i : left) sums[i] -= distances[i * n + gone];
  }
  return scores;
}

}  // namespace

Scores geometric_median(const Evidence& evidence) {
  const Coupling& coupling = evidence.coupling();
  const std::vector<std::vector<Filter>> filters = filters_of_units(evidence.graph(), coupling);
  Scores scores(coupling.units.size());
  for (const Group& group : coupling.groups) {
    const std::vector<double> of_group =
        scores_of(distances(group.units, filters), group.units.size());
    for (size_t i = 0; i < of_group.size(); ++i) {
      scores[static_cast<size_t>(group.units[i])] = of_group[i];
    }
  }
  return scores;
}

}  // namespace bonsai
