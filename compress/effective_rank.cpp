#include "compress/effective_rank.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/error.h"
#include "engine/kernels/gemm.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

// One reflection: makes column k zero below its first subdiagonal, in place, and returns that
// element. `v` and `p` are scratch.
double reflect(std::vector<double>& a, int n, int k, std::vector<double>& v,
               std::vector<double>& p) {
  const auto at = [&](int i, int j) -> double& {
    return a[static_cast<size_t>(i) * static_cast<size_t>(n) + static_cast<size_t>(j)];
  };
  const int first = k + 1;
  double norm = 0;
  for (int i = first; i < n; ++i) norm = std::hypot(norm, at(k, i));
  const double leading = at(k, first);
  const double alpha = leading > 0 ? -norm : norm;
  if (norm == 0) return 0;
  double length = 0;
  for (int i = first; i < n; ++i) {
    v[static_cast<size_t>(i)] = at(k, i) - (i == first ? alpha : 0);
    length = std::hypot(length, v[static_cast<size_t>(i)]);
  }
  for (int i = first; i < n; ++i) v[static_cast<size_t>(i)] /= length;
  // A - 2 v w' - 2 w v' with p = A v, w = p - (v'p) v; rows are independent.
  constexpr int grain = 16;
  parallel_ranges(n - first, grain, [&](int64_t begin, int64_t end) {
    for (int i = first + static_cast<int>(begin); i < first + static_cast<int>(end); ++i) {
      double sum = 0;
      for (int j = first; j < n; ++j) sum += at(i, j) * v[static_cast<size_t>(j)];
      p[static_cast<size_t>(i)] = sum;
    }
  });
  const double along = std::inner_product(v.begin() + first, v.end(), p.begin() + first, 0.0);
  for (int i = first; i < n; ++i) p[static_cast<size_t>(i)] -= along * v[static_cast<size_t>(i)];
  parallel_ranges(n - first, grain, [&](int64_t begin, int64_t end) {
    for (int i = first + static_cast<int>(begin); i < first + static_cast<int>(end); ++i) {
      const double vi = 2 * v[static_cast<size_t>(i)], wi = 2 * p[static_cast<size_t>(i)];
      for (int j = first; j < n; ++j) {
        at(i, j) -= vi * p[static_cast<size_t>(j)] + wi * v[static_cast<size_t>(j)];
      }
    }
  });
  return alpha;
}

// Eigenvalues of the tridiagonal matrix with diagonal d and subdiagonal e (e[i] beside d[i] and
// d[i + 1]), left in d.
void implicit_ql(std::vector<double>& d, std::vector<double>& e) {
  const size_t n = d.size();
  constexpr int most_steps = 60;  // a few per eigenvalue are usual
  for (size_t l = 0; l < n; ++l) {
    for (int step = 0;; ++step) {
      size_t m = l;
      while (m + 1 < n && std::abs(e[m]) > 1e-16 * (std::abs(d[m]) + std::abs(d[m + 1]))) ++m;
      if (m == l) break;
      require(step < most_steps, "eigenvalues: no convergence (not a finite matrix?)");
      double g = (d[l + 1] - d[l]) / (2 * e[l]), r = std::hypot(g, 1.0);
      g = d[m] - d[l] + e[l] / (g + std::copysign(r, g));
      double s = 1, c = 1, p = 0;
      size_t i = m;
      while (i-- > l) {
        const double f = s * e[i], b = c * e[i];
        r = std::hypot(f, g);
        e[i + 1] = r;
        if (r == 0) {
          d[i + 1] -= p;
          e[m] = 0;
          break;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - p;
        r = (d[i] - g) * s + 2 * c * b;
        p = s * r;
        d[i + 1] = g + p;
        g = c * r - b;
      }
      if (r == 0 && i + 1 > l) continue;
      d[l] -= p;
      e[l] = g;
      e[m] = 0;
    }
  }
}

}  // namespace

void Covariance::add(const Tensor& x) {
  const int c = x.dim(-1);
  require(channels_ == 0 || channels_ == c, "covariance: ", c, " channels, should be ", channels_);
  const size_t width = static_cast<size_t>(c), rows = x.size() / width;
  if (channels_ == 0) {
    channels_ = c;
    sums_.resize(width);
    products_.resize(width * width);
    std::vector<double> mean(width);
    for (size_t i = 0; i < x.size(); ++i) mean[i % width] += double{x[i]};
    for (const double m : mean)
      shift_.push_back(static_cast<Scalar>(m / static_cast<double>(rows)));
  }
  const Tensor centred = Tensor::uninitialized(x.shape()), products({c, c});
  for (size_t i = 0; i < x.size(); ++i) {
    centred[i] = x[i] - shift_[i % width];
    sums_[i % width] += double{centred[i]};
  }
  parallel_gemm(Transpose::yes, Transpose::no, c, c, static_cast<int>(rows), 1, centred.data(), c,
                centred.data(), c, 0, products.data(), c);
  for (size_t i = 0; i < products_.size(); ++i) products_[i] += double{products[i]};
  rows_ += static_cast<int64_t>(rows);
}

std::vector<double> Covariance::matrix() const {
  const size_t c = static_cast<size_t>(channels_);
  const double n = static_cast<double>(rows_);
  std::vector<double> covariance(c * c);
  for (size_t i = 0; i < c; ++i) {
    for (size_t j = 0; j < c; ++j) {
      covariance[i * c + j] = products_[i * c + j] / n - sums_[i] / n * (sums_[j] / n);
    }
  }
  return covariance;
}

std::vector<double> symmetric_eigenvalues(std::vector<double> matrix, int n) {
  const size_t size = static_cast<size_t>(n);
  require(n >= 0 && matrix.size() == size * size, "eigenvalues: ", matrix.size(),
          " numbers, should be ", n, " x ", n);
  std::vector<double> d(size), e(size), v(size), p(size);
  for (int k = 0; k + 2 < n; ++k) e[static_cast<size_t>(k)] = reflect(matrix, n, k, v, p);
  if (n > 1) e[size - 2] = matrix[(size - 2) * size + size - 1];
  for (size_t k = 0; k < size; ++k) d[k] = matrix[k * size + k];
  implicit_ql(d, e);
  std::sort(d.begin(), d.end());
  return d;
}

int effective_rank(const Covariance& covariance, double energy) {
  require(energy > 0 && energy <= 1, "effective rank: energy ", energy,
          ", should be above 0 and at most 1");
  std::vector<double> values = symmetric_eigenvalues(covariance.matrix(), covariance.channels());
  for (double& value : values) value = std::max(value, 0.0);  // below 0 by rounding alone
  const double all = std::accumulate(values.begin(), values.end(), 0.0);
  double held = 0;
  int rank = 0;
  for (size_t i = values.size(); i-- > 0 && held < energy * all; ++rank) held += values[i];
  return rank;
}

}  // namespace bonsai
