// Statistics of small samples: do two rankings agree, and how sure is that?
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace bonsai {

// 1 for the smallest; equal values share the mean of their places.
std::vector<double> ranks(std::span<const double> values);

// Pearson's correlation of the ranks: 1 same order, -1 opposite. 0 when a side is constant or
// there are fewer than two pairs.
double spearman(std::span<const double> x, std::span<const double> y);

// Kendall's tau-b: pairs in the same order less pairs in opposite order, as a part of all pairs
// that are not tied, the ties of both sides taken into account. 0 as above.
double kendall(std::span<const double> x, std::span<const double> y);

struct Interval {
  double low = 0, high = 0;
};

// The percentile bootstrap's 95 % interval of spearman: `draws` samples of as many pairs, drawn
// with replacement (Efron 1979, "Bootstrap Methods: Another Look at the Jackknife"). With few
// pairs it is too narrow: read it as a warning, not as a proof.
Interval spearman_interval(std::span<const double> x, std::span<const double> y, uint64_t seed,
                           int draws = 2000);

// The value below which this part of the values lies, linear between neighbours: 0.5 is the median.
double quantile(std::span<const double> values, double part);

double mean(std::span<const double> values);
// The square root of the mean squared deviation.
double deviation(std::span<const double> values);

}  // namespace bonsai
