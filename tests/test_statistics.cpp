// Reference figures: NumPy's correlation of ranks counted one by one, pairs counted one by one,
// 40,000 bootstrap draws and numpy.percentile.
#include "compress/statistics.h"

#include <cmath>

#include "engine/error.h"
#include "tests/catch.h"

using namespace bonsai;

namespace {

const std::vector<double> x = {2.5, 0.3, 1.1, 4.2, 3.3, 0.9, 2.5, 5.1, 1.7, 3.9};
const std::vector<double> y = {1.9, 0.1, 1.4, 3.0, 4.4, 0.9, 2.2, 2.2, 2.0, 5.0};

}  // namespace

TEST_CASE("ranks of equal values are shared") {
  CHECK(ranks(x) == std::vector<double>{5.5, 1, 3, 9, 7, 2, 5.5, 10, 4, 8});
  CHECK(ranks(std::vector<double>{}).empty());
}

TEST_CASE("correlations of ranks agree with an independent computation") {
  CHECK(spearman(x, y) == Approx(0.8445121951219513));
  CHECK(kendall(x, y) == Approx(0.7045454545454546));
  std::vector<double> opposite, cubed;
  for (const double v : x) {
    opposite.push_back(-v);
    cubed.push_back(v * v * v);
  }
  CHECK(spearman(x, cubed) == Approx(1));
  CHECK(kendall(x, cubed) == Approx(1));
  CHECK(spearman(x, opposite) == Approx(-1));
  CHECK(kendall(x, opposite) == Approx(-1));
  const std::vector<double> constant(10, 3);
  CHECK(spearman(x, constant) == 0);
  CHECK(kendall(x, constant) == 0);
  CHECK_THROWS_AS(spearman(x, std::vector<double>{1}), Error);
}

TEST_CASE("the bootstrap's interval agrees with an independent one, and repeats with its seed") {
  const Interval interval = spearman_interval(x, y, 1, 4000);
  CHECK(interval.low == Approx(0.367).margin(0.05));
  CHECK(interval.high == Approx(1.0).margin(0.01));
  CHECK(spearman_interval(x, y, 1).low == spearman_interval(x, y, 1).low);
  CHECK(spearman_interval(x, y, 1).low != spearman_interval(x, y, 2).low);
}

TEST_CASE("quantiles lie between neighbours") {
  CHECK(quantile(x, 0) == Approx(0.3));
  CHECK(quantile(x, 0.25) == Approx(1.25));
  CHECK(quantile(x, 0.5) == Approx(2.5));
  CHECK(quantile(x, 0.9) == Approx(4.29));
  CHECK(quantile(std::vector<double>{7}, 0.3) == 7);
  CHECK_THROWS_AS(quantile(std::vector<double>{}, 0.5), Error);
  CHECK(mean(std::vector<double>{1, 2, 6}) == Approx(3));
  CHECK(deviation(std::vector<double>{1, 2, 6}) == Approx(std::sqrt(14.0 / 3)));
}
