#include "compress/least_squares.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <utility>

#include "engine/error.h"
#include "engine/kernels/lapack.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

constexpr int most_ridges = 7;  // that are tried, each ten times the one before

size_t at(int row, int column, int stride) {
  return static_cast<size_t>(row) * static_cast<size_t>(stride) + static_cast<size_t>(column);
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

// Rows and columns of a [n, n].
std::vector<double> submatrix(const std::vector<double>& a, int n, const std::vector<int>& rows,
                              const std::vector<int>& columns) {
  std::vector<double> part(rows.size() * columns.size());
  parallel_ranges(static_cast<int64_t>(rows.size()), 64, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      const double* row = a.data() + at(rows[i], 0, n);
      for (size_t j = 0; j < columns.size(); ++j) part[i * columns.size() + j] = row[columns[j]];
    }
  });
  return part;
}

// w' for some columns: [columns, outputs].
std::vector<double> weights_of(const Regression& regression, const std::vector<int>& columns) {
  const int outputs = regression.moments.outputs, all = regression.moments.columns;
  std::vector<double> part(columns.size() * static_cast<size_t>(outputs));
  for (size_t i = 0; i < columns.size(); ++i) {
    for (int o = 0; o < outputs; ++o) {
      part[i * static_cast<size_t>(outputs) + static_cast<size_t>(o)] =
          regression.w[at(o, columns[i], all)];
    }
  }
  return part;
}

std::vector<int> others(int n, const std::vector<int>& kept) {
  std::vector<int> rest;
  for (int i = 0; i < n; ++i) {
    if (!std::binary_search(kept.begin(), kept.end(), i)) rest.push_back(i);
  }
  return rest;
}

std::vector<int> all_of(int n) {
  std::vector<int> numbers(static_cast<size_t>(n));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

// |D + the contributions of these channels|^2
double square_with(const Regression& regression, const Contributions& c,
                   const std::vector<int>& channels) {
  double square = regression.moments.dd;
  for (const int i : channels) {
    square += 2 * c.zd[static_cast<size_t>(i)];
    for (const int j : channels) square += c.zz[at(i, j, regression.channels)];
  }
  return std::max(square, 0.0);
}

// mean += sign * (the mean of x) w, w [columns, outputs]
void add_mean(const Moments& moments, const std::vector<int>& columns, const std::vector<double>& w,
              double sign, std::vector<double>& mean) {
  for (size_t i = 0; i < columns.size(); ++i) {
    const double x = sign * moments.x_mean[static_cast<size_t>(columns[i])];
    for (size_t o = 0; o < mean.size(); ++o) mean[o] += x * w[i * mean.size() + o];
  }
}

class Solver {
 public:
  struct Solution {
    double weight = 0;           // of the ridge
    std::vector<double> change;  // [kept columns, outputs]; empty: none
  };

  Solver(const Regression& regression, const std::vector<int>& kept)
      : m_(regression.moments),
        gone_(columns_of(regression, others(regression.channels, kept))),
        kept_(columns_of(regression, kept)),
        w_gone_(weights_of(regression, gone_)) {
    const int k = size(), p = static_cast<int>(gone_.size()), outputs = m_.outputs;
    for (const int c : kept_) {
      const double* row = m_.xd.data() + at(c, 0, outputs);
      right_.insert(right_.end(), row, row + outputs);
    }
    if (p > 0) {
      const std::vector<double> cross = submatrix(m_.xx, m_.columns, kept_, gone_);
      dgemm(Transpose::no, Transpose::no, k, outputs, p, 1, cross.data(), p, w_gone_.data(),
            outputs, 1, right_.data(), outputs);
    }
    for (const int i : kept_) diagonal_ += m_.xx[at(i, i, m_.columns)] / k;
  }

  const std::vector<int>& kept() const { return kept_; }
  const std::vector<int>& gone() const { return gone_; }
  const std::vector<double>& w_gone() const { return w_gone_; }

  // The ridge grows until the matrix is positive definite to working precision.
  Solution solve(double ridge) const {
    const int k = size();
    Solution solution{.weight = std::max(ridge * diagonal_, 1e-30), .change = right_};
    for (int attempt = 0; attempt < 12; ++attempt, solution.weight *= 10) {
      std::vector<double> l = submatrix(m_.xx, m_.columns, kept_, kept_);
      for (int i = 0; i < k; ++i) l[at(i, i, k)] += solution.weight;
      if (!cholesky(k, l.data(), k)) continue;
      solve_cholesky(k, l.data(), k, m_.outputs, solution.change.data(), m_.outputs);
      return solution;
    }
    throw Error("reconstruct: the samples of a layer are not finite");
  }

  double lowered(const Solution& s) const {
    return s.change.empty() ? 0 : dot(s.change, right_) + s.weight * dot(s.change, s.change);
  }

  // Per output: the mean of what is missing after the change.
  std::vector<double> intercept(const Solution& s) const {
    std::vector<double> mean(static_cast<size_t>(m_.outputs));
    if (!m_.centred) return mean;
    mean = m_.d_mean;
    add_mean(m_, gone_, w_gone_, 1, mean);
    if (!s.change.empty()) add_mean(m_, kept_, s.change, -1, mean);
    return mean;
  }

 private:
  int size() const { return static_cast<int>(kept_.size()); }

  const Moments& m_;
  std::vector<int> gone_, kept_;  // columns
  std::vector<double> w_gone_;    // [columns, outputs]
  std::vector<double> right_;     // X_K'M
  double diagonal_ = 0;           // mean, of X_K'X_K
};

// The samples that are held out, and what the present weights miss there.
class Judge {
 public:
  Judge(const Regression& regression, const Solver& solver)
      : samples_(regression.held_out),
        columns_(regression.moments.columns),
        outputs_(regression.moments.outputs),
        kept_(solver.kept()),
        missing_(samples_.d) {
    if (samples_.rows == 0) return;
    add_response(solver.gone(), solver.w_gone(), missing_);
    std::vector<Scalar> target = samples_.d;
    add_response(all_of(columns_), weights_of(regression, all_of(columns_)), target);
    std::vector<double> mean(static_cast<size_t>(outputs_));
    if (regression.moments.centred) {
      for (size_t i = 0; i < target.size(); ++i) {
        mean[i % mean.size()] += double{target[i]} / samples_.rows;
      }
    }
    target_ = square(target, mean);
  }

  bool has_samples() const { return samples_.rows > 0; }
  double target() const { return target_; }

  // What is missing with this change and constant.
  double error(const std::vector<double>& change, const std::vector<double>& constant) const {
    if (change.empty()) return square(missing_, constant);
    std::vector<double> back(change.size());
    std::transform(change.begin(), change.end(), back.begin(), std::negate<>());
    std::vector<Scalar> left = missing_;
    add_response(kept_, back, left);
    return square(left, constant);
  }

 private:
  // y += x w for some columns, w [these columns, outputs]
  void add_response(const std::vector<int>& columns, const std::vector<double>& w,
                    std::vector<Scalar>& y) const {
    std::vector<Scalar> spread(at(columns_, 0, outputs_));
    for (size_t i = 0; i < columns.size(); ++i) {
      for (int o = 0; o < outputs_; ++o) {
        spread[at(columns[i], o, outputs_)] =
            static_cast<Scalar>(w[i * static_cast<size_t>(outputs_) + static_cast<size_t>(o)]);
      }
    }
    parallel_gemm(Transpose::no, Transpose::no, samples_.rows, outputs_, columns_, 1,
                  samples_.x.data(), columns_, spread.data(), outputs_, 1, y.data(), outputs_);
  }

  static double square(const std::vector<Scalar>& y, const std::vector<double>& constant) {
    double sum = 0;
    for (size_t i = 0; i < y.size(); ++i) {
      const double left = double{y[i]} - constant[i % constant.size()];
      sum += left * left;
    }
    return sum;
  }

  const SampleRows& samples_;
  int columns_, outputs_;
  std::vector<int> kept_;
  std::vector<Scalar> missing_;  // M [rows, outputs]
  double target_ = 0;
};

// The ridge that does best on the held-out samples; if that is worse than a constant alone, none.
Solver::Solution best_solution(const Solver& solver, const Judge& judge, double ridge,
                               RegressionError& error) {
  Solver::Solution best = solver.solve(ridge);
  if (!judge.has_samples()) return best;
  const std::vector<double> nothing(solver.intercept({}).size());
  error.target = judge.target();
  error.naive = judge.error({}, nothing);
  error.bias_only = judge.error({}, solver.intercept({}));
  error.least_squares = judge.error(best.change, solver.intercept(best));
  for (int i = 1; i < most_ridges; ++i) {
    ridge *= 10;
    Solver::Solution next = solver.solve(ridge);
    const double left = judge.error(next.change, solver.intercept(next));
    if (left >= error.least_squares) break;
    error.least_squares = left;
    best = std::move(next);
  }
  if (error.least_squares > error.bias_only) {
    error.least_squares = error.bias_only;
    best = {};
  }
  return best;
}

}  // namespace

RegressionError& RegressionError::operator+=(const RegressionError& more) {
  target += more.target;
  naive += more.naive;
  bias_only += more.bias_only;
  least_squares += more.least_squares;
  return *this;
}

RegressionFit fit(const Regression& regression, const Contributions& c,
                  const std::vector<int>& kept, double ridge) {
  require(!kept.empty(), "reconstruct: no channel is kept");
  const Solver solver(regression, kept);
  RegressionFit result;
  result.columns = solver.kept();
  Solver::Solution solution =
      best_solution(solver, Judge(regression, solver), ridge, result.held_out);
  result.intercept = solver.intercept(solution);

  const double before = square_with(regression, c, others(regression.channels, kept));
  const std::vector<double> constant = solver.intercept({});
  result.error = {.target = square_with(regression, c, all_of(regression.channels)),
                  .naive = before + regression.moments.rows * dot(constant, constant),
                  .bias_only = before,
                  .least_squares = std::max(before - solver.lowered(solution), 0.0)};
  result.change = std::move(solution.change);
  if (result.change.empty()) {
    result.change.resize(result.columns.size() * result.intercept.size());
  }
  describe(regression, result);
  return result;
}

void describe(const Regression& regression, RegressionFit& fit) {
  const Moments& m = regression.moments;
  const int k = static_cast<int>(fit.columns.size());
  std::vector<double> w = weights_of(regression, fit.columns), xxw(w.size());
  for (size_t i = 0; i < w.size(); ++i) w[i] += fit.change[i];
  const std::vector<double> gram = submatrix(m.xx, m.columns, fit.columns, fit.columns);
  dgemm(Transpose::no, Transpose::no, k, m.outputs, k, 1, gram.data(), k, w.data(), m.outputs, 0,
        xxw.data(), m.outputs);
  fit.mean.assign(static_cast<size_t>(m.outputs), 0);
  fit.variance.assign(static_cast<size_t>(m.outputs), 0);
  add_mean(m, fit.columns, w, 1, fit.mean);
  for (size_t i = 0; i < w.size(); ++i) fit.variance[i % fit.variance.size()] += w[i] * xxw[i];
  for (size_t o = 0; o < fit.variance.size(); ++o) {
    const double square = m.centred ? 0 : fit.mean[o] * fit.mean[o];
    fit.variance[o] = std::max(fit.variance[o] / m.rows - square, 0.0);
  }
}

}  // namespace bonsai
