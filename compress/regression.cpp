#include "compress/regression.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <utility>

#include "engine/error.h"
#include "engine/kernels/lapack.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

constexpr int side = 64;  // of the pieces of zz

size_t at(int row, int column, int stride) {
  return static_cast<size_t>(row) * static_cast<size_t>(stride) + static_cast<size_t>(column);
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

// Turns X_K'X_K into L with L L' = X_K'X_K + ridge I, in place; the ridge grows until there is one.
void factor(const Moments& m, const std::vector<int>& columns, std::vector<double>& a,
            double& ridge) {
  const int n = static_cast<int>(columns.size());
  for (int attempt = 0; attempt < 12; ++attempt, ridge *= 10) {
    if (attempt > 0) a = submatrix(m.xx, m.columns, columns, columns);
    for (int i = 0; i < n; ++i) a[at(i, i, n)] += ridge;
    if (cholesky(n, a.data(), n)) return;
  }
  throw Error("reconstruct: the samples of a layer are not finite");
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

// |sum of the z of these channels + D|^2
double square_with(const Regression& regression, const Contributions& c,
                   const std::vector<int>& channels) {
  double square = regression.moments.dd;
  for (const int i : channels) {
    square += 2 * c.zd[static_cast<size_t>(i)];
    for (const int j : channels) square += c.zz[at(i, j, regression.channels)];
  }
  return std::max(square, 0.0);
}

// Per output: the mean of D + w x over the given columns.
std::vector<double> mean_with(const Regression& regression, const std::vector<int>& columns) {
  const Moments& m = regression.moments;
  std::vector<double> mean = m.d_mean;
  for (size_t o = 0; o < mean.size(); ++o) {
    const double* w = regression.w.data() + at(static_cast<int>(o), 0, m.columns);
    for (const int c : columns) mean[o] += w[c] * m.x_mean[static_cast<size_t>(c)];
  }
  return mean;
}

// The mean and variance of w' x_kept, w' [kept, outputs]; gram_w = X_K'X_K w'.
void describe_outputs(const Regression& regression, const std::vector<double>& gram_w,
                      const std::vector<double>& w, RegressionFit& fit) {
  const Moments& m = regression.moments;
  const int k = static_cast<int>(fit.columns.size()), outputs = m.outputs;
  fit.mean.assign(static_cast<size_t>(outputs), 0);
  fit.variance.assign(static_cast<size_t>(outputs), 0);
  for (int i = 0; i < k; ++i) {
    const double x = m.x_mean[static_cast<size_t>(fit.columns[static_cast<size_t>(i)])];
    for (int o = 0; o < outputs; ++o) {
      fit.mean[static_cast<size_t>(o)] += x * w[at(i, o, outputs)];
      fit.variance[static_cast<size_t>(o)] += w[at(i, o, outputs)] * gram_w[at(i, o, outputs)];
    }
  }
  for (size_t o = 0; o < fit.variance.size(); ++o) {
    fit.variance[o] /= m.rows;
    if (!m.centred) fit.variance[o] -= fit.mean[o] * fit.mean[o];
    fit.variance[o] = std::max(fit.variance[o], 0.0);
  }
}

}  // namespace

RegressionError& RegressionError::operator+=(const RegressionError& more) {
  target += more.target;
  naive += more.naive;
  bias_only += more.bias_only;
  least_squares += more.least_squares;
  return *this;
}

std::vector<int> columns_of(const Regression& regression, const std::vector<int>& channels) {
  std::vector<int> columns;
  for (int t = 0; t < regression.taps; ++t) {
    for (const int i : channels) columns.push_back(t * regression.channels + i);
  }
  return columns;
}

// zz[i, j] = sum over taps p, q of (X'X o w'w)[(p, i), (q, j)]; a piece of w'w at a time.
Contributions contributions(const Regression& regression) {
  const Moments& m = regression.moments;
  const int c = regression.channels, taps = regression.taps;
  Contributions result{.zz = std::vector<double>(at(c, 0, c)),
                       .zd = std::vector<double>(static_cast<size_t>(c))};
  const int n = (c + side - 1) / side;
  parallel_chunks(int64_t{n} * n, [&](int64_t chunk) {
    const int top = static_cast<int>(chunk) / n * side, left = static_cast<int>(chunk) % n * side;
    if (left > top) return;
    const int height = std::min(side, c - top), width = std::min(side, c - left);
    double* ww = thread_scratch<double>(0, size_t{side} * side);
    for (int pq = 0; pq < taps * taps; ++pq) {
      const int row = pq / taps * c + top, column = pq % taps * c + left;
      dgemm(Transpose::yes, Transpose::no, height, width, m.outputs, 1, regression.w.data() + row,
            m.columns, regression.w.data() + column, m.columns, 0, ww, side);
      for (int i = 0; i < height; ++i) {
        const double* xx = m.xx.data() + at(row + i, column, m.columns);
        double* zz = result.zz.data() + at(top + i, left, c);
        for (int j = 0; j < width; ++j) zz[j] += xx[j] * ww[i * side + j];
      }
    }
  });
  for (int i = 0; i < c; ++i) {
    // Of the tiles on the diagonal both halves were computed; the lower one counts.
    for (int j = i + 1; j < c; ++j) result.zz[at(i, j, c)] = result.zz[at(j, i, c)];
    for (int t = 0; t < taps; ++t) {
      const int column = t * c + i;
      for (int o = 0; o < m.outputs; ++o) {
        result.zd[static_cast<size_t>(i)] +=
            regression.w[at(o, column, m.columns)] * m.xd[at(column, o, m.outputs)];
      }
    }
  }
  return result;
}

// With P the columns that go and K those that stay, the change of the weights solves
//   (X_K'X_K + ridge) change = X_K'(D + X_P w_P')
// and lowers the squared error by tr(change' right side) + ridge |change|^2.
RegressionFit fit(const Regression& regression, const Contributions& c,
                  const std::vector<int>& kept, double ridge) {
  require(!kept.empty(), "reconstruct: no channel is kept");
  const Moments& m = regression.moments;
  const std::vector<int> gone = others(regression.channels, kept);
  const std::vector<int> gone_columns = columns_of(regression, gone);
  RegressionFit result{.columns = columns_of(regression, kept),
                       .change = {},
                       .intercept = {},
                       .mean = {},
                       .variance = {},
                       .error = {}};
  const int k = static_cast<int>(result.columns.size()), outputs = m.outputs;

  std::vector<double> right(static_cast<size_t>(k) * static_cast<size_t>(outputs));
  for (int i = 0; i < k; ++i) {
    std::copy_n(m.xd.data() + at(result.columns[static_cast<size_t>(i)], 0, outputs), outputs,
                right.data() + at(i, 0, outputs));
  }
  if (!gone.empty()) {
    const std::vector<double> cross = submatrix(m.xx, m.columns, result.columns, gone_columns);
    const std::vector<double> w = weights_of(regression, gone_columns);
    const int p = static_cast<int>(gone_columns.size());
    dgemm(Transpose::no, Transpose::no, k, outputs, p, 1, cross.data(), p, w.data(), outputs, 1,
          right.data(), outputs);
  }
  std::vector<double> gram = submatrix(m.xx, m.columns, result.columns, result.columns);
  std::vector<double> w = weights_of(regression, result.columns), gram_w(w.size());
  dgemm(Transpose::no, Transpose::no, k, outputs, k, 1, gram.data(), k, w.data(), outputs, 0,
        gram_w.data(), outputs);
  double trace = 0;
  for (int i = 0; i < k; ++i) trace += gram[at(i, i, k)];
  double weight = std::max(ridge * trace / k, 1e-30);
  factor(m, result.columns, gram, weight);
  result.change = right;
  solve_cholesky(k, gram.data(), k, outputs, result.change.data(), outputs);

  std::vector<int> everything(static_cast<size_t>(regression.channels));
  std::iota(everything.begin(), everything.end(), 0);
  const double before = square_with(regression, c, gone);
  const double lowered = dot(result.change, right) + weight * dot(result.change, result.change);
  std::vector<double> missing = mean_with(regression, gone_columns);
  result.error = {.target = square_with(regression, c, everything),
                  .naive = before + (m.centred ? m.rows * dot(missing, missing) : 0),
                  .bias_only = before,
                  .least_squares = std::max(before - lowered, 0.0)};

  for (size_t i = 0; i < w.size(); ++i) {
    w[i] += result.change[i];
    gram_w[i] += right[i] - weight * result.change[i];
  }
  describe_outputs(regression, gram_w, w, result);
  result.intercept.assign(static_cast<size_t>(outputs), 0);
  if (m.centred) {
    result.intercept = std::move(missing);
    for (int i = 0; i < k; ++i) {
      const double x = m.x_mean[static_cast<size_t>(result.columns[static_cast<size_t>(i)])];
      for (int o = 0; o < outputs; ++o) {
        result.intercept[static_cast<size_t>(o)] -= x * result.change[at(i, o, outputs)];
      }
    }
  }
  return result;
}

}  // namespace bonsai
