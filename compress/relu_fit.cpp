#include "compress/relu_fit.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/error.h"
#include "engine/kernels/lapack.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

struct Turns {
  int count;
  double lambda;
};
constexpr Turns schedule[] = {{30, 0.1}, {20, 1}};
constexpr double ridge = 1e-4;  // of the mean diagonal of X'X, towards the fit that was given

// Samples of the layer: what it reads, r(t), and p by the fit as it was.
struct View {
  int rows, columns, outputs;
  const std::vector<Scalar>& x;
  std::vector<Scalar> target, linear;

  View(const Regression& regression, const SampleRows& samples, const std::vector<double>& offset,
       const RegressionFit& fit)
      : rows(samples.rows),
        columns(regression.moments.columns),
        outputs(regression.moments.outputs),
        x(samples.x),
        target(samples.d),
        linear(samples.d.size()) {
    if (rows == 0) return;
    std::vector<Scalar> w(regression.w.size());  // [columns, outputs]
    const auto n = static_cast<size_t>(outputs), all = static_cast<size_t>(columns);
    for (size_t c = 0; c < all; ++c) {
      for (size_t o = 0; o < n; ++o) w[c * n + o] = static_cast<Scalar>(regression.w[o * all + c]);
    }
    add_product(w, target);
    for (size_t i = 0; i < w.size(); ++i) w[i] += static_cast<Scalar>(fit.change[i]);
    add_product(w, linear);
    for (size_t i = 0; i < target.size(); ++i) {
      const double constant = offset[i % n];
      target[i] = std::max(static_cast<Scalar>(double{target[i]} + constant), Scalar{0});
      linear[i] = static_cast<Scalar>(double{linear[i]} + constant + fit.intercept[i % n]);
    }
  }

  // y += x w
  void add_product(const std::vector<Scalar>& w, std::vector<Scalar>& y) const {
    parallel_gemm(Transpose::no, Transpose::no, rows, outputs, columns, 1, x.data(), columns,
                  w.data(), outputs, 1, y.data(), outputs);
  }

  // What is added to p; `change` [columns, outputs].
  std::vector<Scalar> response(const std::vector<double>& change,
                               const std::vector<double>& constant) const {
    std::vector<Scalar> p = linear;
    for (size_t i = 0; i < p.size(); ++i)
      p[i] += static_cast<Scalar>(constant[i % constant.size()]);
    add_product({change.begin(), change.end()}, p);
    return p;
  }

  double error(const std::vector<Scalar>& p) const {
    double sum = 0;
    for (size_t i = 0; i < p.size(); ++i) {
      const double left = double{target[i]} - std::max(double{p[i]}, 0.0);
      sum += left * left;
    }
    return sum;
  }

  double variation() const {
    std::vector<double> mean(static_cast<size_t>(outputs));
    for (size_t i = 0; i < target.size(); ++i) mean[i % mean.size()] += double{target[i]} / rows;
    double sum = 0;
    for (size_t i = 0; i < target.size(); ++i) {
      const double off = double{target[i]} - mean[i % mean.size()];
      sum += off * off;
    }
    return sum;
  }
};

// The u that is best for r(t) = t and p: 0 or less, or 0 or more.
double auxiliary(double t, double p, double lambda) {
  const double below = std::min(p, 0.0), above = std::max((lambda * p + t) / (lambda + 1), 0.0);
  const double cost_below = t * t + lambda * (below - p) * (below - p);
  const double cost_above = (t - above) * (t - above) + lambda * (above - p) * (above - p);
  return cost_below < cost_above ? below : above;
}

// Least squares of anything on the samples of a view.
class Solver {
 public:
  Solver(const View& view, bool has_intercept)
      : view_(view), mean_(static_cast<size_t>(view.columns)), x_(view.x) {
    if (has_intercept) {
      for (size_t i = 0; i < x_.size(); ++i) {
        mean_[i % mean_.size()] += double{x_[i]} / view.rows;
      }
      for (size_t i = 0; i < x_.size(); ++i) x_[i] -= static_cast<Scalar>(mean_[i % mean_.size()]);
    }
    has_intercept_ = has_intercept;
    MomentSum sum(view.columns, 1);
    sum.add(x_.data(), std::vector<Scalar>(static_cast<size_t>(view.rows)).data(), view.rows);
    l_ = sum.finish(false).xx;
    const int n = view.columns;
    double diagonal = 0;
    for (int i = 0; i < n; ++i) diagonal += l_[index(i, i, n)] / n;
    for (int i = 0; i < n; ++i) l_[index(i, i, n)] += std::max(ridge * diagonal, 1e-30);
    ready_ = cholesky(n, l_.data(), n);
  }

  bool is_ready() const { return ready_; }

  // What is to be added to p so that it comes closest to p + `wanted` [rows, outputs].
  void solve(const std::vector<Scalar>& wanted, std::vector<double>& change,
             std::vector<double>& constant) const {
    const int outputs = view_.outputs, columns = view_.columns;
    std::vector<Scalar> right(change.size());
    parallel_gemm(Transpose::yes, Transpose::no, columns, outputs, view_.rows, 1, x_.data(),
                  columns, wanted.data(), outputs, 0, right.data(), outputs);
    change.assign(right.begin(), right.end());
    solve_cholesky(columns, l_.data(), columns, outputs, change.data(), outputs);
    std::fill(constant.begin(), constant.end(), 0);
    if (!has_intercept_) return;
    for (size_t i = 0; i < wanted.size(); ++i) {
      constant[i % constant.size()] += double{wanted[i]} / view_.rows;
    }
    for (size_t i = 0; i < change.size(); ++i) {
      constant[i % constant.size()] -= mean_[i / constant.size()] * change[i];
    }
  }

 private:
  static size_t index(int row, int column, int stride) {
    return static_cast<size_t>(row) * static_cast<size_t>(stride) + static_cast<size_t>(column);
  }

  const View& view_;
  std::vector<double> mean_;
  std::vector<Scalar> x_;  // less its mean
  std::vector<double> l_;
  bool has_intercept_ = false, ready_ = false;
};

}  // namespace

ReluError fit_through_relu(const Regression& regression, const std::vector<double>& offset,
                           RegressionFit& fit) {
  const auto outputs = static_cast<size_t>(regression.moments.outputs);
  require(fit.columns.size() == static_cast<size_t>(regression.moments.columns),
          "relu fit: the fit keeps ", fit.columns.size(), " columns, should be all of ",
          regression.moments.columns);
  require(offset.size() == outputs, "relu fit: ", offset.size(), " offsets, should be ", outputs);
  if (regression.solved.rows == 0) return {};
  const View solved(regression, regression.solved, offset, fit);
  const View held_out(regression, regression.held_out, offset, fit);
  const View& judge = held_out.rows > 0 ? held_out : solved;
  ReluError error{.target = judge.variation(), .linear = judge.error(judge.linear), .relu = 0};
  error.relu = error.linear;
  const Solver solver(solved, regression.moments.centred);
  if (!solver.is_ready()) return error;

  std::vector<double> change(fit.change.size()), constant(outputs), best, best_constant;
  std::vector<Scalar> p = solved.linear, wanted(p.size());
  for (const auto& [turns, lambda] : schedule) {
    for (int turn = 0; turn < turns; ++turn) {
      for (size_t i = 0; i < p.size(); ++i) {
        const double u = auxiliary(double{solved.target[i]}, double{p[i]}, lambda);
        wanted[i] = static_cast<Scalar>(u - double{solved.linear[i]});
      }
      solver.solve(wanted, change, constant);
      p = solved.response(change, constant);
      const double left = judge.error(&judge == &solved ? p : judge.response(change, constant));
      if (left >= error.relu) continue;
      error.relu = left;
      best = change;
      best_constant = constant;
    }
  }
  for (size_t i = 0; i < best.size(); ++i) fit.change[i] += best[i];
  for (size_t o = 0; o < best_constant.size(); ++o) fit.intercept[o] += best_constant[o];
  describe(regression, fit);
  return error;
}

}  // namespace bonsai
