// Double-precision linear algebra against the plain loops.
#include "engine/kernels/lapack.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "engine/parallel.h"
#include "engine/random.h"
#include "tests/catch.h"

using namespace bonsai;

namespace {

using Matrix = std::vector<double>;

Matrix random_matrix(int rows, int columns, uint64_t seed) {
  Random random(seed, Purpose::test);
  Matrix m(static_cast<size_t>(rows) * static_cast<size_t>(columns));
  for (double& x : m) x = random.normal();
  return m;
}

Matrix product(const Matrix& a, const Matrix& b, int m, int n, int k) {
  Matrix c(static_cast<size_t>(m) * static_cast<size_t>(n));
  for (int i = 0; i < m; ++i) {
    for (int l = 0; l < k; ++l) {
      for (int j = 0; j < n; ++j) {
        c[static_cast<size_t>(i * n + j)] +=
            a[static_cast<size_t>(i * k + l)] * b[static_cast<size_t>(l * n + j)];
      }
    }
  }
  return c;
}

Matrix transposed(const Matrix& a, int rows, int columns) {
  Matrix t(a.size());
  for (int i = 0; i < rows; ++i) {
    for (int j = 0; j < columns; ++j) {
      t[static_cast<size_t>(j * rows + i)] = a[static_cast<size_t>(i * columns + j)];
    }
  }
  return t;
}

double distance(const Matrix& a, const Matrix& b) {
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
  return worst;
}

}  // namespace

TEST_CASE("dgemm agrees with the plain loop, transposed and added to what is there") {
  const int m = 70, n = 45, k = 33;
  const Matrix a = random_matrix(m, k, 1), b = random_matrix(k, n, 2);
  const Matrix expected = product(a, b, m, n, k);
  Matrix c(expected.size(), std::nan(""));
  dgemm(Transpose::no, Transpose::no, m, n, k, 1, a.data(), k, b.data(), n, 0, c.data(), n);
  CHECK(distance(c, expected) < 1e-12);
  const Matrix at = transposed(a, m, k), bt = transposed(b, k, n);
  dgemm(Transpose::yes, Transpose::yes, m, n, k, -1, at.data(), m, bt.data(), k, 1, c.data(), n);
  CHECK(distance(c, Matrix(c.size())) < 1e-12);
}

TEST_CASE("cholesky solves, and refuses what is not positive definite") {
  const int n = 50, columns = 80, stride = 53;
  const Matrix z = random_matrix(60, n, 3), x = random_matrix(n, columns, 4);
  const Matrix gram = product(transposed(z, 60, n), z, n, n, 60);
  Matrix b = product(gram, x, n, columns, n);
  // Only the lower triangle may be read.
  Matrix a(static_cast<size_t>(n * stride), std::nan(""));
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j <= i; ++j) {
      a[static_cast<size_t>(i * stride + j)] = gram[static_cast<size_t>(i * n + j)];
    }
  }
  Matrix indefinite = a;
  REQUIRE(cholesky(n, a.data(), stride));
  Matrix half = b;
  solve_lower(n, a.data(), stride, columns, half.data(), columns);
  solve_cholesky(n, a.data(), stride, columns, b.data(), columns);
  CHECK(distance(b, x) < 1e-9);
  // |L^-1 b|^2 = b' A^-1 b = b' x
  double square = 0, expected = 0;
  const Matrix again = product(gram, x, n, columns, n);
  for (size_t i = 0; i < half.size(); ++i) {
    square += half[i] * half[i];
    expected += again[i] * x[i];
  }
  CHECK(square == Approx(expected));

  indefinite[static_cast<size_t>(20 * stride + 20)] = -1;
  CHECK_FALSE(cholesky(n, indefinite.data(), stride));
}

TEST_CASE("double-precision products have the same bits for any number of threads", "[threads]") {
  const int before = thread_count(), n = 300;
  const Matrix a = random_matrix(n, n, 5), b = random_matrix(n, n, 6);
  Matrix first;
  for (const int threads : {1, 2, 3}) {
    set_thread_count(threads);
    Matrix c(a.size());
    dgemm(Transpose::no, Transpose::yes, n, n, n, 1, a.data(), n, b.data(), n, 0, c.data(), n);
    if (first.empty()) first = c;
    CHECK(std::memcmp(c.data(), first.data(), c.size() * sizeof(double)) == 0);
  }
  set_thread_count(before);
}

TEST_CASE("eigenvectors diagonalise a symmetric matrix, the largest eigenvalue first") {
  const int n = 40;
  const Matrix m = random_matrix(n, n, 9);
  Matrix a = m;
  const Matrix t = transposed(m, n, n);
  for (size_t i = 0; i < a.size(); ++i) a[i] += t[i];
  Matrix v = a;
  const std::vector<double> values = eigenvectors(n, v.data());
  CHECK(std::is_sorted(values.rbegin(), values.rend()));
  const Matrix rotated = product(product(v, a, n, n, n), transposed(v, n, n), n, n, n);
  const Matrix lengths = product(v, transposed(v, n, n), n, n, n);
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) {
      const auto at = static_cast<size_t>(i * n + j);
      CHECK(rotated[at] == Approx(i == j ? values[static_cast<size_t>(i)] : 0).margin(1e-11));
      CHECK(lengths[at] == Approx(i == j ? 1 : 0).margin(1e-12));
    }
  }
  Matrix not_finite(4, std::nan(""));
  CHECK_THROWS_WITH(eigenvectors(2, not_finite.data()), "eigenvectors: the matrix is not finite");
}
