// Sums over samples against sums written out, and the least squares that rest on them against
// their optimality conditions.
#include "compress/least_squares.h"

#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

#include "compress/selection.h"
#include "engine/parallel.h"
#include "engine/random.h"
#include "tests/catch.h"
#include "tests/error_of.h"

using namespace bonsai;

namespace {

struct Samples {  // of a layer that reads `taps` x `channels` numbers
  int rows, taps, channels, outputs;
  std::vector<Scalar> x, d;
  std::vector<double> w;

  int columns() const { return taps * channels; }
  double at(int row, int column) const {
    return double{x[static_cast<size_t>(row * columns() + column)]};
  }
  double lack(int row, int output) const {
    return double{d[static_cast<size_t>(row * outputs + output)]};
  }
  double weight(int output, int column) const {
    return w[static_cast<size_t>(output * columns() + column)];
  }
};

// Rectified and correlated numbers, as layers read them, with a mean far from zero.
Samples draw(int rows, int taps, int channels, int outputs, double lacking, uint64_t seed) {
  Samples s{.rows = rows,
            .taps = taps,
            .channels = channels,
            .outputs = outputs,
            .x = {},
            .d = {},
            .w = {}};
  Random random(seed, Purpose::test);
  for (int r = 0; r < rows; ++r) {
    const float common = random.normal();
    for (int c = 0; c < s.columns(); ++c) {
      s.x.push_back(std::max(0.0F, 1 + 0.7F * common + random.normal()));
    }
    for (int o = 0; o < outputs; ++o) {
      s.d.push_back(static_cast<Scalar>(lacking) * (0.3F + common + random.normal()));
    }
  }
  for (int i = 0; i < outputs * s.columns(); ++i) s.w.push_back(double{random.normal()});
  return s;
}

Regression regression_of(const Samples& s, bool centred = true) {
  MomentSum sum(s.columns(), s.outputs);
  // In uneven parts, some of which fill a block to its end.
  for (int begin = 0, part = 1; begin < s.rows; begin += part, part = part * 3 + 1) {
    const int n = std::min(part, s.rows - begin);
    sum.add(s.x.data() + begin * s.columns(), s.d.data() + begin * s.outputs, n);
  }
  return {.moments = sum.finish(centred), .w = s.w, .taps = s.taps, .channels = s.channels};
}

// The same sums in double precision, written out.
Regression exact_regression(const Samples& s, bool centred = true) {
  Regression result{.moments = {}, .w = s.w, .taps = s.taps, .channels = s.channels};
  Moments& m = result.moments;
  m.columns = s.columns();
  m.outputs = s.outputs;
  m.rows = s.rows;
  m.centred = centred;
  for (int c = 0; c < s.columns(); ++c) {
    double sum = 0;
    for (int r = 0; r < s.rows; ++r) sum += s.at(r, c);
    m.x_mean.push_back(sum / s.rows);
    m.magnitudes.push_back(sum);
  }
  for (int o = 0; o < s.outputs; ++o) {
    double sum = 0;
    for (int r = 0; r < s.rows; ++r) sum += s.lack(r, o);
    m.d_mean.push_back(sum / s.rows);
  }
  const auto x = [&](int r, int c) {
    return s.at(r, c) - (centred ? m.x_mean[static_cast<size_t>(c)] : 0);
  };
  const auto d = [&](int r, int o) {
    return s.lack(r, o) - (centred ? m.d_mean[static_cast<size_t>(o)] : 0);
  };
  m.xx.resize(static_cast<size_t>(s.columns() * s.columns()));
  for (int a = 0; a < s.columns(); ++a) {
    for (int b = 0; b <= a; ++b) {
      double sum = 0;
      for (int r = 0; r < s.rows; ++r) sum += x(r, a) * x(r, b);
      m.xx[static_cast<size_t>(a * s.columns() + b)] = sum;
      m.xx[static_cast<size_t>(b * s.columns() + a)] = sum;
    }
    for (int o = 0; o < s.outputs; ++o) {
      double sum = 0;
      for (int r = 0; r < s.rows; ++r) sum += x(r, a) * d(r, o);
      m.xd.push_back(sum);
    }
  }
  for (int r = 0; r < s.rows; ++r) {
    for (int o = 0; o < s.outputs; ++o) m.dd += d(r, o) * d(r, o);
  }
  return result;
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0, largest = 1e-300;
  for (size_t i = 0; i < a.size(); ++i) {
    worst = std::max(worst, std::abs(a[i] - b[i]));
    largest = std::max(largest, std::abs(b[i]));
  }
  return worst / largest;
}

std::vector<int> first(int n) {
  std::vector<int> numbers(static_cast<size_t>(n));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

RegressionFit fitted(const Regression& regression, const std::vector<int>& kept,
                     double ridge = 1e-4) {
  return fit(regression, contributions(regression), kept, ridge);
}

// What is left of the target at a sample after the fit.
double remainder(const Samples& s, const RegressionFit& solution, int row, int output) {
  double left = s.lack(row, output) - solution.intercept[static_cast<size_t>(output)];
  for (int c = 0; c < s.columns(); ++c) left += s.at(row, c) * s.weight(output, c);
  for (size_t i = 0; i < solution.columns.size(); ++i) {
    const size_t at = i * static_cast<size_t>(s.outputs) + static_cast<size_t>(output);
    const int c = solution.columns[i];
    left -= s.at(row, c) * (s.weight(output, c) + solution.change[at]);
  }
  return left;
}

}  // namespace

TEST_CASE("moments are sums written out, however the samples arrive") {
  for (const bool centred : {true, false}) {
    // More rows than a block, more columns than a tile.
    const Samples s = draw(1100, 3, 130, 3, 0.5, 1);
    const Regression found = regression_of(s, centred), expected = exact_regression(s, centred);
    CHECK(found.moments.rows == s.rows);
    // A block's products are single precision, added in the order of the processor's kernel.
    CHECK(distance(found.moments.xx, expected.moments.xx) < 1e-5);
    CHECK(distance(found.moments.xd, expected.moments.xd) < 1e-5);
    CHECK(distance(found.moments.x_mean, expected.moments.x_mean) < 1e-12);
    CHECK(distance(found.moments.d_mean, expected.moments.d_mean) < 1e-12);
    CHECK(distance(found.moments.magnitudes, expected.moments.magnitudes) < 1e-12);
    CHECK(found.moments.dd == Approx(expected.moments.dd).epsilon(1e-10));
  }
}

TEST_CASE("a mean a thousand times the deviation costs moments no digits") {
  Samples s = draw(2000, 1, 6, 2, 0.5, 2);
  for (Scalar& x : s.x) x += 1024;
  CHECK(distance(regression_of(s).moments.xx, exact_regression(s).moments.xx) < 1e-4);
}

TEST_CASE("moments have the same bits for any number of threads", "[threads]") {
  const int before = thread_count();
  const Samples s = draw(1100, 3, 150, 4, 0.5, 3);
  std::vector<double> expected;
  for (const int threads : {1, 2, 3}) {
    set_thread_count(threads);
    const Regression r = regression_of(s);
    std::vector<double> bits = r.moments.xx;
    bits.insert(bits.end(), r.moments.xd.begin(), r.moments.xd.end());
    const Contributions c = contributions(r);
    bits.insert(bits.end(), c.zz.begin(), c.zz.end());
    if (expected.empty()) expected = bits;
    CHECK(std::memcmp(bits.data(), expected.data(), bits.size() * sizeof(double)) == 0);
  }
  set_thread_count(before);
}

TEST_CASE("contributions are those of an explicit design of samples times outputs") {
  const Samples s = draw(40, 4, 70, 3, 0.5, 4);
  const Regression regression = exact_regression(s);
  const Contributions found = contributions(regression);
  // z[i][row, output], less its mean over the rows.
  std::vector<std::vector<double>> z;
  std::vector<double> d;
  for (int i = 0; i <= s.channels; ++i) {
    std::vector<double> column;
    for (int o = 0; o < s.outputs; ++o) {
      double mean = 0;
      const size_t begin = column.size();
      for (int r = 0; r < s.rows; ++r) {
        double value = i == s.channels ? s.lack(r, o) : 0;
        for (int t = 0; i < s.channels && t < s.taps; ++t) {
          const int c = t * s.channels + i;
          value += s.at(r, c) * s.weight(o, c);
        }
        column.push_back(value);
        mean += value / s.rows;
      }
      for (size_t at = begin; at < column.size(); ++at) column[at] -= mean;
    }
    (i == s.channels ? d : z.emplace_back()) = column;
  }
  std::vector<double> zz, zd;
  for (const auto& a : z) {
    for (const auto& b : z) zz.push_back(std::inner_product(a.begin(), a.end(), b.begin(), 0.0));
    zd.push_back(std::inner_product(a.begin(), a.end(), d.begin(), 0.0));
  }
  CHECK(distance(found.zz, zz) < 1e-10);
  CHECK(distance(found.zd, zd) < 1e-10);
}

TEST_CASE("the least-squares residual is orthogonal to what is kept, and its square is known") {
  for (const bool centred : {true, false}) {
    const Samples s = draw(300, 2, 9, 4, 0.4, 5);
    const Regression regression = exact_regression(s, centred);
    const std::vector<int> kept = {0, 2, 3, 7};
    const double ridge = 1e-4;
    const RegressionFit solution = fitted(regression, kept, ridge);
    CHECK(solution.columns == std::vector<int>{0, 2, 3, 7, 9, 11, 12, 16});
    double trace = 0, square = 0, scale = 0, worst = 0;
    for (const int c : solution.columns) {
      trace += regression.moments.xx[static_cast<size_t>(c * s.columns() + c)];
    }
    const double weight = ridge * trace / static_cast<double>(solution.columns.size());
    for (int o = 0; o < s.outputs; ++o) {
      double mean = 0;
      for (int r = 0; r < s.rows; ++r) {
        const double left = remainder(s, solution, r, o);
        square += left * left;
        mean += left / s.rows;
      }
      if (centred) CHECK(std::abs(mean) < 1e-12);
      for (size_t i = 0; i < solution.columns.size(); ++i) {
        const int c = solution.columns[i];
        double product = 0;
        for (int r = 0; r < s.rows; ++r) {
          const double x =
              s.at(r, c) - (centred ? regression.moments.x_mean[static_cast<size_t>(c)] : 0);
          product += x * remainder(s, solution, r, o);
          scale = std::max(scale, std::abs(x * remainder(s, solution, r, o)));
        }
        // The ridge pulls with this much.
        const size_t at = i * static_cast<size_t>(s.outputs) + static_cast<size_t>(o);
        worst = std::max(worst, std::abs(product - weight * solution.change[at]));
      }
    }
    CHECK(worst < 1e-9 * scale * s.rows);
    CHECK(solution.error.least_squares == Approx(square).epsilon(1e-9));
  }
}

TEST_CASE("least squares is no worse than a constant, and that no worse than nothing") {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    for (const double lacking : {0.0, 0.5}) {
      const Regression regression = regression_of(draw(200, 1, 8, 3, lacking, seed));
      double previous = 1e300;
      for (int k = 1; k <= 8; ++k) {
        const RegressionError error = fitted(regression, first(k), 1e-9).error;
        CHECK(error.least_squares <= error.bias_only);
        CHECK(error.bias_only <= error.naive);
        CHECK(error.least_squares <= previous * (1 + 1e-6) + 1e-6 * error.target);
        previous = error.least_squares;
      }
    }
  }
}

TEST_CASE("with all channels and nothing lacking the weights return, dependent columns or not") {
  Samples s = draw(30, 1, 12, 3, 0, 6);
  for (int r = 0; r < s.rows; ++r) {
    Scalar* row = s.x.data() + r * s.columns();
    row[4] = row[1];
    row[7] = 0;
    row[9] = row[2] + row[3];
  }
  const RegressionFit solution = fitted(regression_of(s), first(12));
  for (const double change : solution.change) CHECK(std::abs(change) < 1e-9);
  for (const double constant : solution.intercept) CHECK(std::abs(constant) < 1e-9);
  CHECK(solution.error.least_squares == 0);
  // A copy of what goes takes over all of it.
  std::vector<int> without = first(12);
  without.erase(without.begin() + 4);
  const RegressionError error = fitted(regression_of(s), without, 1e-7).error;
  CHECK(error.naive > 0.01 * error.target);
  CHECK(error.least_squares < 1e-5 * error.target);
}

TEST_CASE("a fit knows the mean and the variance of its response") {
  const Samples s = draw(300, 2, 5, 2, 0.3, 7);
  for (const bool centred : {true, false}) {
    const RegressionFit solution = fitted(exact_regression(s, centred), {1, 4});
    for (int o = 0; o < s.outputs; ++o) {
      double sum = 0, square = 0;
      for (int r = 0; r < s.rows; ++r) {
        double y = 0;
        for (size_t i = 0; i < solution.columns.size(); ++i) {
          const int c = solution.columns[i];
          const size_t at = i * static_cast<size_t>(s.outputs) + static_cast<size_t>(o);
          y += s.at(r, c) * (s.weight(o, c) + solution.change[at]);
        }
        sum += y;
        square += y * y;
      }
      const double mean = sum / s.rows;
      CHECK(solution.mean[static_cast<size_t>(o)] == Approx(mean));
      CHECK(solution.variance[static_cast<size_t>(o)] == Approx(square / s.rows - mean * mean));
    }
  }
}

TEST_CASE("selection rules keep what they say, and greedy gains most") {
  const Samples s = draw(400, 2, 8, 4, 0.2, 8);
  std::vector<Reader> readers(1);
  readers[0].regression = exact_regression(s);
  readers[0].contributions = contributions(readers[0].regression);
  // Channel 3 stays in any case, 5 and 6 are one unit.
  readers[0].candidates = {0, 1, 2, -1, 3, 4, 4, 5};
  Candidates candidates{
      .problem = {.gram = std::vector<double>(36), .correlation = std::vector<double>(6)},
      .layers = {readers},
      .l1 = {3, 9, 1, 7, 2, 8},
      .l2 = {3, 1, 9, 7, 2, 8}};
  add_problem(readers, candidates.problem);
  CHECK(candidates.problem.square == 1);

  const auto error_of = [&](const std::vector<int>& order, int k) {
    std::vector<int> kept;
    for (int i = 0; i < s.channels; ++i) {
      const int unit = readers[0].candidates[static_cast<size_t>(i)];
      if (unit < 0 || std::find(order.begin(), order.begin() + k, unit) != order.begin() + k) {
        kept.push_back(i);
      }
    }
    return fit(readers[0].regression, readers[0].contributions, kept, 1e-4).error;
  };
  for (const Selection& selection : selections()) {
    INFO(selection.name);
    std::vector<int> order = selection.rank(candidates, 3).order;
    std::sort(order.begin(), order.end());
    CHECK(order == first(6));
  }
  CHECK(find_selection("first").rank(candidates, 3).order == first(6));
  CHECK(find_selection("l1").rank(candidates, 3).order == std::vector<int>{1, 5, 3, 0, 4, 2});
  CHECK(find_selection("l2").rank(candidates, 3).order == std::vector<int>{2, 5, 3, 0, 4, 1});
  CHECK(find_selection("response").rank(candidates, 3).order[0] == 4);  // of two channels
  CHECK(find_selection("lasso").rank(candidates, 3).solution.has_value());

  // Greedy's first choice is the best of all single ones, and its second the best to follow.
  const std::vector<int> greedy = find_selection("greedy").rank(candidates, 3).order;
  for (int i = 0; i < 6; ++i) {
    CHECK(error_of(greedy, 1).least_squares <= error_of({i}, 1).least_squares * (1 + 1e-9));
    if (i == greedy[0]) continue;
    CHECK(error_of(greedy, 2).least_squares <=
          error_of({greedy[0], i}, 2).least_squares * (1 + 1e-9));
  }
}

TEST_CASE("greedy and response listen to all layers that read the channels") {
  const Samples first = draw(300, 1, 6, 4, 0.2, 8), second = draw(300, 1, 6, 4, 0.2, 9);
  std::vector<std::vector<Reader>> layers(2);
  std::vector<std::vector<double>> lowered(2);  // by every channel alone
  for (size_t l = 0; l < 2; ++l) {
    Reader& reader = layers[l].emplace_back();
    reader.regression = exact_regression(l == 0 ? first : second);
    reader.contributions = contributions(reader.regression);
    reader.candidates = {0, 1, 2, 3, 4, 5};
    for (int i = 0; i < 6; ++i) {
      const RegressionError error = fit(reader.regression, reader.contributions, {i}).error;
      lowered[l].push_back(error.least_squares / response_square(layers[l]));
    }
  }
  Candidates candidates{
      .problem = {.gram = std::vector<double>(36), .correlation = std::vector<double>(6)},
      .layers = {layers[0], layers[1]},
      .l1 = std::vector<double>(6),
      .l2 = std::vector<double>(6)};
  std::vector<double> sum = lowered[0];
  for (size_t i = 0; i < 6; ++i) sum[i] += lowered[1][i];
  const auto best = [](const std::vector<double>& errors) {
    return static_cast<int>(std::min_element(errors.begin(), errors.end()) - errors.begin());
  };
  const Selection& greedy = find_selection("greedy");
  CHECK(greedy.rank(candidates, 1).order[0] == best(sum));
  // Either alone chooses by itself, and they do not agree.
  const auto alone = [&](size_t l) {
    Candidates one = candidates;
    one.layers = {layers[l]};
    return greedy.rank(one, 1).order[0];
  };
  CHECK(alone(0) == best(lowered[0]));
  CHECK(alone(1) == best(lowered[1]));
  CHECK(alone(0) != alone(1));

  // A channel that the first layer hardly sees, and the second sees nothing but.
  const Selection& response = find_selection("response");
  for (Reader* reader : {&layers[0][0], &layers[1][0]}) {
    reader->regression.moments.magnitudes = {5, 4, 3, 2, 1, 0.5};
  }
  CHECK(response.rank(candidates, 1).order[0] == 0);
  layers[1][0].regression.moments.magnitudes = {0, 0, 0, 0, 0, 1};
  CHECK(response.rank(candidates, 1).order[0] == 5);
}

TEST_CASE("the lasso's problem asks for what the candidates and the lack make together") {
  const Samples s = draw(50, 1, 4, 2, 0.3, 9);
  std::vector<Reader> readers(1);
  readers[0].regression = exact_regression(s);
  readers[0].contributions = contributions(readers[0].regression);
  readers[0].candidates = {0, -1, 1, 0};
  LassoProblem problem{.gram = std::vector<double>(4), .correlation = std::vector<double>(2)};
  add_problem(readers, problem);
  // Written out: u is channels 0 and 3, v channel 2, y = u + v + D.
  std::vector<double> u, v, y;
  for (int o = 0; o < s.outputs; ++o) {
    double means[3] = {0, 0, 0};
    const size_t begin = u.size();
    for (int r = 0; r < s.rows; ++r) {
      u.push_back(s.at(r, 0) * s.weight(o, 0) + s.at(r, 3) * s.weight(o, 3));
      v.push_back(s.at(r, 2) * s.weight(o, 2));
      y.push_back(u.back() + v.back() + s.lack(r, o));
      means[0] += u.back() / s.rows;
      means[1] += v.back() / s.rows;
      means[2] += y.back() / s.rows;
    }
    for (size_t i = begin; i < u.size(); ++i) {
      u[i] -= means[0];
      v[i] -= means[1];
      y[i] -= means[2];
    }
  }
  const auto dot = [](const std::vector<double>& a, const std::vector<double>& b) {
    return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
  };
  const double scale = dot(y, y);
  CHECK(problem.square == 1);
  CHECK(distance(problem.gram, {dot(u, u) / scale, dot(u, v) / scale, dot(u, v) / scale,
                                dot(v, v) / scale}) < 1e-10);
  CHECK(distance(problem.correlation, {dot(u, y) / scale, dot(v, y) / scale}) < 1e-10);
}

TEST_CASE("held-out samples tell a fit of noise, and the ridge that prevents it") {
  // 60 weights for each output from 70 samples whose lack is noise.
  Samples s = draw(70, 1, 60, 3, 0.5, 10);
  Random random(11, Purpose::test);
  for (Scalar& d : s.d) d = random.normal();
  Regression regression = exact_regression(s);
  const std::vector<int> kept = first(58);
  const RegressionFit blind = fitted(regression, kept);
  CHECK(blind.held_out.target == 0);

  Samples others = draw(200, 1, 60, 3, 0.5, 12);
  for (Scalar& d : others.d) d = random.normal();
  others.w = s.w;
  regression.held_out = {.rows = others.rows, .x = others.x, .d = others.d};
  const RegressionFit judged = fitted(regression, kept);
  // What each of them misses there.
  double misses[2] = {0, 0};
  for (int r = 0; r < others.rows; ++r) {
    for (int o = 0; o < others.outputs; ++o) {
      misses[0] += std::pow(remainder(others, blind, r, o), 2);
      misses[1] += std::pow(remainder(others, judged, r, o), 2);
    }
  }
  CHECK(judged.held_out.least_squares == Approx(misses[1]).epsilon(1e-4));
  CHECK(misses[1] < 0.5 * misses[0]);
  CHECK(judged.error.least_squares > blind.error.least_squares);
  CHECK(judged.held_out.least_squares <= judged.held_out.bias_only);
  CHECK(judged.held_out.target > 0);
}

TEST_CASE("where many samples say the same the ridge stays small") {
  const Samples s = draw(600, 1, 8, 2, 0, 13), others = draw(100, 1, 8, 2, 0, 14);
  Regression regression = exact_regression(s);
  const RegressionFit blind = fitted(regression, first(5));
  regression.held_out = {.rows = others.rows, .x = others.x, .d = others.d};
  const RegressionFit judged = fitted(regression, first(5));
  CHECK(judged.error.least_squares < 1.05 * blind.error.least_squares);
  CHECK(judged.held_out.least_squares < 0.5 * judged.held_out.naive);
  // The held-out target is that of these samples.
  double square = 0;
  for (int o = 0; o < others.outputs; ++o) {
    double sum = 0, own = 0;
    for (int r = 0; r < others.rows; ++r) {
      double y = 0;
      for (int c = 0; c < 8; ++c) y += others.at(r, c) * s.weight(o, c);
      sum += y;
      own += y * y;
    }
    square += own - sum * sum / others.rows;
  }
  CHECK(judged.held_out.target == Approx(square).epsilon(1e-4));
}
