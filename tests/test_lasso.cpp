// The LASSO against an independent solver, a closed form and its own optimality conditions; and
// the choice of exactly k columns where the path does not offer k.
#include "compress/lasso.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "tests/catch.h"
#include "tests/networks.h"

using namespace bonsai;
using bonsai::testing::complaint;
using bonsai::testing::contains;

namespace {

struct Design {  // Z [rows, columns], y [rows]
  int rows, columns;
  std::vector<double> z, y;

  double& at(int row, int column) { return z[static_cast<size_t>(row * columns + column)]; }
  double at(int row, int column) const { return z[static_cast<size_t>(row * columns + column)]; }
};

// Numbers in [-0.5, 0.5) that any language makes: s = 1103515245 s + 12345 modulo 2^31.
Design drawn(int rows, int columns, int64_t seed) {
  Design d{.rows = rows, .columns = columns, .z = {}, .y = {}};
  int64_t state = seed;
  const auto next = [&] {
    state = (1103515245 * state + 12345) % 2147483648;
    return static_cast<double>(state) / 2147483648 - 0.5;
  };
  for (int i = 0; i < rows * columns; ++i) d.z.push_back(next());
  for (int i = 0; i < rows; ++i) d.y.push_back(next());
  return d;
}

// Two columns lean on others, and y on four of them.
Design reference() {
  Design d = drawn(24, 6, 7);
  const double weights[] = {1, -0.7, 0, 0.4, 0, 0.15};
  for (int r = 0; r < d.rows; ++r) {
    d.at(r, 3) += 0.8 * d.at(r, 0);
    d.at(r, 4) -= 0.6 * d.at(r, 1);
    double& y = d.y[static_cast<size_t>(r)];
    y *= 0.3;
    for (int c = 0; c < d.columns; ++c) y += d.at(r, c) * weights[c];
  }
  return d;
}

// All columns share the first one. Along its path the support grows from 1 to 3 and later shrinks
// from 8 to 7.
Design unruly() {
  Design d = drawn(12, 8, 12 * 7919);
  for (int r = 0; r < d.rows; ++r) {
    for (int c = 1; c < d.columns; ++c) d.at(r, c) = 0.5 * d.at(r, c) + 0.7 * d.at(r, 0);
  }
  return d;
}

LassoProblem problem(const Design& d) {
  const auto n = static_cast<size_t>(d.columns);
  LassoProblem p{.gram = std::vector<double>(n * n),
                 .correlation = std::vector<double>(n),
                 .square = 0,
                 .rows = static_cast<double>(d.rows)};
  for (int r = 0; r < d.rows; ++r) {
    const double y = d.y[static_cast<size_t>(r)];
    p.square += y * y;
    for (size_t i = 0; i < n; ++i) {
      p.correlation[i] += d.at(r, static_cast<int>(i)) * y;
      for (size_t j = 0; j < n; ++j) {
        p.gram[i * n + j] += d.at(r, static_cast<int>(i)) * d.at(r, static_cast<int>(j));
      }
    }
  }
  return p;
}

std::vector<double> residual(const Design& d, const std::vector<double>& beta) {
  std::vector<double> r = d.y;
  for (int i = 0; i < d.rows; ++i) {
    for (int c = 0; c < d.columns; ++c) {
      r[static_cast<size_t>(i)] -= d.at(i, c) * beta[static_cast<size_t>(c)];
    }
  }
  return r;
}

double objective(const Design& d, const std::vector<double>& beta, double alpha) {
  double square = 0, size = 0;
  for (const double r : residual(d, beta)) square += r * r;
  for (const double b : beta) size += std::abs(b);
  return square / (2 * d.rows) + alpha * size;
}

// From Z and y themselves: by how much the optimality conditions fail.
double violation(const Design& d, const std::vector<double>& beta, double alpha) {
  const std::vector<double> r = residual(d, beta);
  double worst = 0;
  for (int c = 0; c < d.columns; ++c) {
    double slope = 0;
    for (int i = 0; i < d.rows; ++i) slope += d.at(i, c) * r[static_cast<size_t>(i)];
    slope /= d.rows;
    const double b = beta[static_cast<size_t>(c)];
    worst = std::max(worst,
                     b != 0 ? std::abs(slope - std::copysign(alpha, b)) : std::abs(slope) - alpha);
  }
  return worst;
}

int support(const std::vector<double>& beta) {
  return static_cast<int>(std::count_if(beta.begin(), beta.end(), [](double b) { return b != 0; }));
}

void require_exactly(int k, const LassoProblem& p) {
  const LassoChoice choice = choose_by_lasso(p, k);
  INFO("k " << k);
  CHECK(choice.kept.size() == static_cast<size_t>(k));
  CHECK(std::set<int>(choice.kept.begin(), choice.kept.end()).size() == static_cast<size_t>(k));
  CHECK(std::is_sorted(choice.kept.begin(), choice.kept.end()));
  CHECK(choice.kept.front() >= 0);
  CHECK(choice.kept.back() < p.size());
}

}  // namespace

TEST_CASE("lasso agrees with independent solvers") {
  struct Row {
    double part;  // of the largest alpha
    std::vector<double> beta;
    double objective;
  };
  struct Reference {
    Design design;
    double largest_alpha;
    std::vector<Row> rows;
  };
  const Reference references[] = {
      // scikit-learn 1.9.1: Lasso(alpha, fit_intercept=False, tol=1e-15, max_iter=10**7)
      {reference(),
       0.12094816930354156,
       {{0.5,
         {0.471950420316072, -0.119617404450413, 0, 0.296175524409996, 0, 0},
         0.0961424365817476},
        {0.1,
         {0.977448703217543, -0.596028748620576, 0, 0.356255091887582, 0, 0},
         0.0279887263210716},
        {0.01,
         {1.03552719869907, -0.68501275481172, 0.00852127233526559, 0.443936864985224,
          -0.0131929945559156, 0.129294301209802},
         0.0052731380043225}}},
      // All 3^8 patterns of signs tried, the one that satisfies the conditions solved in rationals.
      {unruly(),
       0.01755025445509302,
       {{0.3,
         {-1.06058772976677, 0.0306823346587812, 0, -0.175389032853709, 0.0452895407502771, 0,
          0.753321658478009, 0},
         0.0312338231602666},
        {0.05,
         {-2.88231562504017, 0.443246453761901, 0.106418750322586, -1.2666543329611,
          0.0396587807813705, 1.39582282844259, 1.77110225428224, 0.153574143395211},
         0.0109100413844058},
        {0.001,
         {-3.48286783129238, 0.525962240851039, 0.300227954187383, -1.52528954375155,
          -0.00628688608414739, 1.75650048246453, 2.01887322828409, 0.321895856683137},
         0.00317662011574928}}}};
  for (const Reference& r : references) {
    const LassoProblem p = problem(r.design);
    CHECK(largest_alpha(p) == Approx(r.largest_alpha).epsilon(1e-13));
    for (const Row& row : r.rows) {
      const double alpha = row.part * largest_alpha(p);
      const LassoSolution solution = solve_lasso(p, alpha);
      INFO("alpha " << row.part << " of the largest");
      for (size_t i = 0; i < row.beta.size(); ++i) {
        CHECK(solution.beta[i] == Approx(row.beta[i]).epsilon(0).margin(1e-10));
        CHECK((solution.beta[i] == 0) == (row.beta[i] == 0));
      }
      CHECK(objective(r.design, solution.beta, alpha) == Approx(row.objective).epsilon(1e-12));
      CHECK(solution.violation < 1e-13);
      CHECK(solution.gap < 1e-13);
    }
  }
}

TEST_CASE("lasso's solutions satisfy the optimality conditions, and say how well") {
  for (const Design& d : {reference(), unruly()}) {
    const LassoProblem p = problem(d);
    const double largest = largest_alpha(p);
    for (const double part : {0.9, 0.3, 0.05, 0.001}) {
      const double alpha = part * largest;
      const LassoSolution solution = solve_lasso(p, alpha);
      INFO("alpha " << part);
      CHECK(violation(d, solution.beta, alpha) <= 1.01e-8 * largest);
      CHECK(solution.violation <= 1e-8 * largest);
      CHECK(solution.gap >= -1e-15);
      CHECK(solution.gap < 1e-8 * p.square / p.rows);
      // The gap bounds the distance to any other point's objective from below.
      std::vector<double> other = solution.beta;
      other[0] += 0.1;
      CHECK(objective(d, other, alpha) > objective(d, solution.beta, alpha) - solution.gap - 1e-15);
    }
    CHECK(support(solve_lasso(p, largest).beta) == 0);
    CHECK(support(solve_lasso(p, 0.999 * largest).beta) > 0);
  }
}

TEST_CASE("a lasso that was stopped early says so") {
  const LassoProblem p = problem(unruly());
  const double alpha = 0.001 * largest_alpha(p);
  const LassoSolution solution = solve_lasso(p, alpha, {}, {.tolerance = 1e-8, .max_sweeps = 3});
  CHECK(solution.sweeps == 3);
  CHECK(solution.violation > 1e-8 * largest_alpha(p));
  CHECK(solution.gap > 1e-8 * p.square / p.rows);
}

TEST_CASE("lasso on orthogonal columns is the soft threshold") {
  LassoProblem p{
      .gram = {2, 0, 0, 0, 5, 0, 0, 0, 0.5}, .correlation = {3, -4, 0.2}, .square = 20, .rows = 10};
  const double alpha = 0.1;
  const LassoSolution solution = solve_lasso(p, alpha);
  CHECK(solution.beta[0] == Approx((0.3 - alpha) / 0.2).epsilon(1e-12));
  CHECK(solution.beta[1] == Approx(-(0.4 - alpha) / 0.5).epsilon(1e-12));
  CHECK(solution.beta[2] == 0);
}

TEST_CASE("lasso's path jumps over a size and shrinks, and still exactly k are kept") {
  const Design d = unruly();
  const LassoProblem p = problem(d);
  std::vector<int> sizes;
  double alpha = largest_alpha(p);
  std::vector<double> beta;
  for (int step = 0; step < 200; ++step, alpha *= 0.95) {
    beta = solve_lasso(p, alpha, beta).beta;
    sizes.push_back(support(beta));
  }
  CHECK(std::find(sizes.begin(), sizes.end(), 2) == sizes.end());
  CHECK_FALSE(std::is_sorted(sizes.begin(), sizes.end()));
  for (int k = 1; k <= d.columns; ++k) require_exactly(k, p);
}

TEST_CASE("exactly k columns are kept when columns are equal, empty, or more than the rows") {
  Design equal = reference();
  for (int r = 0; r < equal.rows; ++r) {
    equal.at(r, 2) = equal.at(r, 0);
    equal.at(r, 5) = equal.at(r, 0);
    equal.at(r, 4) = 0;
  }
  Design wide = drawn(5, 9, 3);
  Design nothing = reference();
  std::fill(nothing.z.begin(), nothing.z.end(), 0);
  Design silent = reference();
  std::fill(silent.y.begin(), silent.y.end(), 0);
  for (const Design& d : {equal, wide, nothing, silent}) {
    for (int k = 1; k <= d.columns; ++k) require_exactly(k, problem(d));
  }
  // The empty column goes first, then copies.
  CHECK(choose_by_lasso(problem(equal), 5).kept == std::vector<int>{0, 1, 2, 3, 5});
}

TEST_CASE("lasso keeps the columns of which y is made") {
  Design d = drawn(60, 10, 21);
  for (int r = 0; r < d.rows; ++r) {
    d.y[static_cast<size_t>(r)] = d.at(r, 2) - 0.8 * d.at(r, 5) + 0.6 * d.at(r, 9);
  }
  CHECK(choose_by_lasso(problem(d), 3).kept == std::vector<int>{2, 5, 9});
}

TEST_CASE("lasso refuses what makes no sense") {
  LassoProblem p = problem(reference());
  CHECK(contains(complaint([&] { choose_by_lasso(p, 7); }), "7 columns are wanted, there are 6"));
  CHECK(contains(complaint([&] { choose_by_lasso(p, 0); }), "0 columns are wanted"));
  CHECK(contains(complaint([&] { solve_lasso(p, -1); }), "alpha is -1"));
  CHECK(contains(complaint([&] { solve_lasso(p, 1, {1, 2}); }), "should be 6"));
  p.gram.pop_back();
  CHECK(contains(complaint([&] { solve_lasso(p, 1); }), "35 entries, should be 6 x 6"));
}
