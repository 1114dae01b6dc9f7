#include "compress/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/error.h"
#include "engine/random.h"

namespace bonsai {
namespace {

void require_pairs(std::string_view what, std::span<const double> x, std::span<const double> y) {
  require(x.size() == y.size(), what, ": ", x.size(), " and ", y.size(),
          " values, should be as many");
}

double pearson(std::span<const double> x, std::span<const double> y) {
  const double mx = mean(x), my = mean(y);
  double xy = 0, xx = 0, yy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - mx) * (y[i] - my);
    xx += (x[i] - mx) * (x[i] - mx);
    yy += (y[i] - my) * (y[i] - my);
  }
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : 0;
}

int sign(double x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }

}  // namespace

std::vector<double> ranks(std::span<const double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> rank(values.size());
  for (size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double shared = static_cast<double>(begin + 1 + end) / 2;
    for (size_t i = begin; i < end; ++i) rank[order[i]] = shared;
  }
  return rank;
}

double spearman(std::span<const double> x, std::span<const double> y) {
  require_pairs("spearman", x, y);
  return pearson(ranks(x), ranks(y));
}

double kendall(std::span<const double> x, std::span<const double> y) {
  require_pairs("kendall", x, y);
  double balance = 0, distinct_x = 0, distinct_y = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      const int a = sign(x[i] - x[j]), b = sign(y[i] - y[j]);
      balance += a * b;
      distinct_x += a * a;
      distinct_y += b * b;
    }
  }
  return distinct_x > 0 && distinct_y > 0 ? balance / std::sqrt(distinct_x * distinct_y) : 0;
}

Interval spearman_interval(std::span<const double> x, std::span<const double> y, uint64_t seed,
                           int draws) {
  require_pairs("spearman_interval", x, y);
  require(draws > 0, "spearman_interval: ", draws, " draws, should be at least 1");
  if (x.empty()) return {};
  std::vector<double> drawn, sx(x.size()), sy(y.size());
  for (int d = 0; d < draws; ++d) {
    Random random(seed, Purpose::choice, static_cast<uint64_t>(d), 2);
    for (size_t i = 0; i < x.size(); ++i) {
      const size_t from = random.below(static_cast<uint32_t>(x.size()));
      sx[i] = x[from];
      sy[i] = y[from];
    }
    drawn.push_back(spearman(sx, sy));
  }
  return {.low = quantile(drawn, 0.025), .high = quantile(drawn, 0.975)};
}

double quantile(std::span<const double> values, double part) {
  require(!values.empty(), "quantile: there are no values");
  require(part >= 0 && part <= 1, "quantile: part ", part, ", should be 0 to 1");
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const double place = part * static_cast<double>(sorted.size() - 1);
  const size_t below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], place - static_cast<double>(below));
}

double mean(std::span<const double> values) {
  if (values.empty()) return 0;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double deviation(std::span<const double> values) {
  const double m = mean(values);
  double squares = 0;
  for (const double v : values) squares += (v - m) * (v - m);
  return values.empty() ? 0 : std::sqrt(squares / static_cast<double>(values.size()));
}

}  // namespace bonsai
