#include "layers/symmetric_eigen.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/error.h"

namespace bonsai {
namespace {

class Jacobi {
 public:
  Jacobi(std::vector<double> matrix, size_t n) : n_(n), a_(std::move(matrix)), v_(n * n) {
    for (size_t i = 0; i < n; ++i) v_[i * n + i] = 1;
  }

  // One rotation per element beside the diagonal; false when there was nothing left to rotate.
  bool sweep() {
    bool rotated = false;
    for (size_t p = 0; p + 1 < n_; ++p) {
      for (size_t q = p + 1; q < n_; ++q) rotated = rotate(p, q) || rotated;
    }
    return rotated;
  }

  SymmetricEigen sorted() const {
    std::vector<size_t> order(n_);
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t i, size_t j) { return a_[i * n_ + i] > a_[j * n_ + j]; });
    SymmetricEigen result;
    for (const size_t i : order) {
      result.values.push_back(a_[i * n_ + i]);
      std::vector<double>& vector = result.vectors.emplace_back();
      for (size_t k = 0; k < n_; ++k) vector.push_back(v_[k * n_ + i]);
    }
    return result;
  }

 private:
  // Makes element (p, q) zero.
  bool rotate(size_t p, size_t q) {
    const double off = a_[p * n_ + q], a = a_[p * n_ + p], b = a_[q * n_ + q];
    if (std::abs(off) <= 1e-16 * std::sqrt(std::abs(a * b)) || off == 0) return false;
    const double theta = (b - a) / (2 * off);
    const double t = std::copysign(1 / (std::abs(theta) + std::hypot(theta, 1.0)), theta);
    const double c = 1 / std::hypot(t, 1.0), s = t * c;
    for (size_t k = 0; k < n_; ++k) turn(a_[k * n_ + p], a_[k * n_ + q], c, s);
    for (size_t k = 0; k < n_; ++k) turn(a_[p * n_ + k], a_[q * n_ + k], c, s);
    for (size_t k = 0; k < n_; ++k) turn(v_[k * n_ + p], v_[k * n_ + q], c, s);
    return true;
  }

  static void turn(double& x, double& y, double c, double s) {
    const double old = x;
    x = c * old - s * y;
    y = s * old + c * y;
  }

  size_t n_;
  std::vector<double> a_, v_;
};

}  // namespace

SymmetricEigen symmetric_eigen(std::vector<double> matrix, int n) {
  const size_t size = static_cast<size_t>(n);
  require(n >= 0 && matrix.size() == size * size, "eigenvectors: ", matrix.size(),
          " numbers, should be ", n, " x ", n);
  require(std::all_of(matrix.begin(), matrix.end(), [](double x) { return std::isfinite(x); }),
          "eigenvectors: the matrix is not finite");
  Jacobi jacobi(std::move(matrix), size);
  constexpr int most_sweeps = 50;  // rounding may keep rotating what is zero for all purposes
  for (int i = 0; i < most_sweeps && jacobi.sweep(); ++i) {
  }
  return jacobi.sorted();
}

}  // namespace bonsai
