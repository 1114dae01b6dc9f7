#include "compress/lasso.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "engine/error.h"
#include "engine/kernels/lapack.h"

namespace bonsai {
namespace {

constexpr double nearly = 1e4;  // times the tolerance: from where on support and signs are trusted
constexpr double path_ratio = 0.95;
constexpr int path_steps = 200;  // down to 3.5e-5 of the largest alpha

void check(const LassoProblem& problem) {
  const size_t n = problem.correlation.size();
  require(n > 0, "lasso: there are no columns");
  require(problem.gram.size() == n * n, "lasso: the Gram matrix has ", problem.gram.size(),
          " entries, should be ", n, " x ", n);
  require(problem.rows > 0, "lasso: ", problem.rows, " rows, should be more than 0");
  require(problem.square >= 0, "lasso: y'y is ", problem.square, ", should be at least 0");
}

double soft(double x, double threshold) {
  return std::copysign(std::max(std::abs(x) - threshold, 0.0), x);
}

// The descent; everything here is in units of Z'r, not of Z'r / M.
class Descent {
 public:
  Descent(const LassoProblem& problem, double alpha, std::vector<double> start)
      : problem_(problem), threshold_(alpha * problem.rows), beta_(std::move(start)) {
    double largest = 0;
    for (int i = 0; i < size(); ++i) largest = std::max(largest, norm(i));
    empty_ = 1e-14 * largest;
    for (int i = 0; i < size(); ++i) {
      if (norm(i) <= empty_) beta_[static_cast<size_t>(i)] = 0;
    }
    refresh();
  }

  // Returns the number of sweeps. A sweep over all coordinates finds which are not zero; these
  // alone are then swept until they are settled. Where columns are alike the last digits would take
  // thousands of sweeps: once support and signs are found, they follow from linear equations.
  int run(double tolerance, int max_sweeps) {
    std::vector<int> all(beta_.size());
    std::iota(all.begin(), all.end(), 0);
    int sweeps = 0;
    while (sweeps < max_sweeps) {
      sweep(all);
      ++sweeps;
      std::vector<int> support;
      for (const int i : all) {
        if (beta_[static_cast<size_t>(i)] != 0) support.push_back(i);
      }
      bool is_finished = false;
      double next_try = nearly * tolerance;  // it costs many sweeps, so that few are worth it
      while (sweeps < max_sweeps && !is_finished && violation(support) > tolerance) {
        sweep(support);
        ++sweeps;
        if (violation(support) > next_try) continue;
        is_finished = finish(support);
        next_try /= 10;
      }
      refresh();  // the updates of many sweeps have rounded
      if (violation(all) <= tolerance) break;
    }
    return sweeps;
  }

  double violation(const std::vector<int>& coordinates) const {
    double worst = 0;
    for (const int i : coordinates) {
      if (norm(i) <= empty_) continue;
      const double beta = beta_[static_cast<size_t>(i)], q = slope_[static_cast<size_t>(i)];
      const double off =
          beta != 0 ? std::abs(q - std::copysign(threshold_, beta)) : std::abs(q) - threshold_;
      worst = std::max(worst, off);
    }
    return worst;
  }

  // Any u with |Z'u| <= alpha M bounds the objective from below by (|y|^2 - |y - u|^2) / (2 M);
  // the residual, scaled down until it fits, is such a u.
  double gap() const {
    double fit = 0, size = 0, explained = 0, steepest = 0;
    for (size_t i = 0; i < beta_.size(); ++i) {
      fit += problem_.correlation[i] * beta_[i];
      explained += (problem_.correlation[i] - slope_[i]) * beta_[i];  // beta' G beta
      size += std::abs(beta_[i]);
      steepest = std::max(steepest, std::abs(slope_[i]));
    }
    const double residual = problem_.square - 2 * fit + explained;
    const double scale = steepest > threshold_ ? threshold_ / steepest : 1;
    const double dual =
        2 * scale * (problem_.square - fit) - scale * scale * residual;  // |y|^2 - |y - u|^2
    return ((residual - dual) / 2 + threshold_ * size) / problem_.rows;
  }

  const std::vector<double>& slope() const { return slope_; }
  std::vector<double> take_beta() { return std::move(beta_); }

 private:
  int size() const { return problem_.size(); }
  const double* row(int i) const {
    return problem_.gram.data() + static_cast<size_t>(i) * beta_.size();
  }
  double norm(int i) const { return row(i)[i]; }  // |z_i|^2

  // The exact solution for these coordinates and their signs: G beta = Z'y - threshold sign(beta).
  // False, and nothing happened, when it has other signs or is not unique.
  bool finish(const std::vector<int>& support) {
    const int n = static_cast<int>(support.size());
    std::vector<double> l, exact;
    for (const int i : support) {
      for (const int j : support) l.push_back(row(i)[j]);
      exact.push_back(problem_.correlation[static_cast<size_t>(i)] -
                      std::copysign(threshold_, beta_[static_cast<size_t>(i)]));
    }
    if (!cholesky(n, l.data(), n)) return false;
    solve_cholesky(n, l.data(), n, 1, exact.data(), 1);
    for (size_t i = 0; i < support.size(); ++i) {
      if (!(exact[i] * beta_[static_cast<size_t>(support[i])] > 0)) return false;
    }
    for (size_t i = 0; i < support.size(); ++i) {
      beta_[static_cast<size_t>(support[i])] = exact[i];
    }
    return true;
  }

  void refresh() {
    slope_ = problem_.correlation;
    for (int i = 0; i < size(); ++i) move(i, beta_[static_cast<size_t>(i)]);
  }

  // Z'r after coordinate i has grown by `step`.
  void move(int i, double step) {
    if (step == 0) return;
    const double* g = row(i);
    for (size_t j = 0; j < slope_.size(); ++j) slope_[j] -= step * g[j];
  }

  void sweep(const std::vector<int>& coordinates) {
    for (const int i : coordinates) {
      if (norm(i) <= empty_) continue;
      double& beta = beta_[static_cast<size_t>(i)];
      const double best =
          soft(slope_[static_cast<size_t>(i)] + norm(i) * beta, threshold_) / norm(i);
      move(i, best - beta);
      beta = best;
    }
  }

  const LassoProblem& problem_;
  double threshold_;
  double empty_ = 0;  // columns whose square is no larger are taken for zero
  std::vector<double> beta_;
  std::vector<double> slope_;  // Z'r
};

LassoSolution solve(const LassoProblem& problem, double alpha, std::vector<double> start,
                    const LassoOptions& options) {
  start.resize(problem.correlation.size(), 0);
  Descent descent(problem, alpha, std::move(start));
  LassoSolution solution{.alpha = alpha};
  solution.sweeps =
      descent.run(options.tolerance * largest_alpha(problem) * problem.rows, options.max_sweeps);
  std::vector<int> all(problem.correlation.size());
  std::iota(all.begin(), all.end(), 0);
  solution.violation = std::max(0.0, descent.violation(all)) / problem.rows;
  solution.gap = descent.gap();
  solution.beta = descent.take_beta();
  return solution;
}

// Z'r
std::vector<double> slopes(const LassoProblem& problem, const std::vector<double>& beta) {
  return Descent(problem, 0, beta).slope();
}

int support_size(const std::vector<double>& beta) {
  return static_cast<int>(std::count_if(beta.begin(), beta.end(), [](double b) { return b != 0; }));
}

// The columns that contribute, the strongest first; then those that would reduce the residual most.
std::vector<int> ranked(const LassoProblem& problem, const std::vector<double>& beta) {
  const size_t n = beta.size();
  const std::vector<double> slope = slopes(problem, beta);
  std::vector<std::pair<double, double>> strength(n);
  for (size_t i = 0; i < n; ++i) {
    const double norm = std::sqrt(std::max(problem.gram[i * n + i], 0.0));
    strength[i] = {std::abs(beta[i]) * norm, norm > 0 ? std::abs(slope[i]) / norm : 0};
  }
  std::vector<int> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return strength[static_cast<size_t>(a)] > strength[static_cast<size_t>(b)];
  });
  return order;
}

}  // namespace

double largest_alpha(const LassoProblem& problem) {
  double largest = 0;
  for (const double c : problem.correlation) largest = std::max(largest, std::abs(c));
  return largest / problem.rows;
}

LassoSolution solve_lasso(const LassoProblem& problem, double alpha, std::vector<double> start,
                          const LassoOptions& options) {
  check(problem);
  require(alpha >= 0, "lasso: alpha is ", alpha, ", should be at least 0");
  require(start.empty() || start.size() == problem.correlation.size(), "lasso: the start has ",
          start.size(), " coefficients, should be ", problem.size());
  return solve(problem, alpha, std::move(start), options);
}

LassoChoice choose_by_lasso(const LassoProblem& problem, int k, const LassoOptions& options) {
  check(problem);
  require(k >= 1 && k <= problem.size(), "lasso: ", k, " columns are wanted, there are ",
          problem.size());
  double alpha = largest_alpha(problem);
  LassoSolution solution = solve(problem, alpha, {}, options);
  for (int step = 0; step < path_steps && support_size(solution.beta) < k; ++step) {
    alpha *= path_ratio;
    solution = solve(problem, alpha, std::move(solution.beta), options);
  }
  std::vector<int> ranking = ranked(problem, solution.beta);
  std::vector<int> kept(ranking.begin(), ranking.begin() + k);
  std::sort(kept.begin(), kept.end());
  return {.kept = std::move(kept), .ranking = std::move(ranking), .solution = std::move(solution)};
}

}  // namespace bonsai
