#include "engine/kernels/lapack.h"

#include <cblas.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "engine/error.h"
#include "engine/parallel.h"

// LAPACK's own interface: column-major, everything by address. OpenBLAS has no other.
// NOLINTBEGIN(readability-identifier-naming): Fortran's names
extern "C" int dpotrf_(const char* triangle, const int* n, double* a, const int* lda, int* info);
extern "C" int dsyevd_(const char* job, const char* triangle, const int* n, double* a,
                       const int* lda, double* values, double* work, const int* work_size,
                       int* integers, const int* integers_size, int* info);
// NOLINTEND(readability-identifier-naming)

namespace bonsai {
namespace {

CBLAS_TRANSPOSE cblas(Transpose t) { return t == Transpose::yes ? CblasTrans : CblasNoTrans; }

// Pieces of about a million multiply-adds, at least 32 lines each.
int64_t grain_of(int64_t work_per_line) {
  return std::max<int64_t>(32, (1 << 20) / std::max<int64_t>(work_per_line, 1));
}

// op(L)^-1 X for some columns.
void solve_columns(CBLAS_TRANSPOSE t, int n, const double* l, int ldl, int columns, double* x,
                   int ldx) {
  cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, t, CblasNonUnit, n, columns, 1, l, ldl, x, ldx);
}

}  // namespace

void dgemm(Transpose ta, Transpose tb, int m, int n, int k, double alpha, const double* a, int lda,
           const double* b, int ldb, double beta, double* c, int ldc) {
  if (m == 0 || n == 0) return;
  const bool by_rows = m >= n;
  const int64_t line = int64_t{by_rows ? n : m} * k;
  parallel_ranges(by_rows ? m : n, grain_of(line), [&](int64_t begin, int64_t end) {
    prepare_blas();
    const int count = static_cast<int>(end - begin);
    if (by_rows) {
      const double* rows = a + begin * (ta == Transpose::no ? lda : 1);
      cblas_dgemm(CblasRowMajor, cblas(ta), cblas(tb), count, n, k, alpha, rows, lda, b, ldb, beta,
                  c + begin * ldc, ldc);
    } else {
      const double* columns = b + begin * (tb == Transpose::no ? 1 : ldb);
      cblas_dgemm(CblasRowMajor, cblas(ta), cblas(tb), m, count, k, alpha, a, lda, columns, ldb,
                  beta, c + begin, ldc);
    }
  });
}

bool cholesky(int n, double* a, int lda) {
  if (n == 0) return true;
  prepare_blas();
  int info = 0;
  dpotrf_("U", &n, a, &lda, &info);  // the upper triangle by columns is the lower one by rows
  require(info >= 0, "cholesky: argument ", -info, " of LAPACK's dpotrf is wrong");
  return info == 0;
}

void solve_lower(int n, const double* l, int ldl, int columns, double* x, int ldx) {
  parallel_ranges(columns, grain_of(int64_t{n} * n / 2), [&](int64_t begin, int64_t end) {
    prepare_blas();
    solve_columns(CblasNoTrans, n, l, ldl, static_cast<int>(end - begin), x + begin, ldx);
  });
}

void solve_cholesky(int n, const double* l, int ldl, int columns, double* x, int ldx) {
  parallel_ranges(columns, grain_of(int64_t{n} * n), [&](int64_t begin, int64_t end) {
    prepare_blas();
    const int count = static_cast<int>(end - begin);
    solve_columns(CblasNoTrans, n, l, ldl, count, x + begin, ldx);
    solve_columns(CblasTrans, n, l, ldl, count, x + begin, ldx);
  });
}

std::vector<double> eigenvectors(int n, double* a) {
  std::vector<double> values(static_cast<size_t>(n));
  if (n == 0) return values;
  require(std::all_of(a, a + static_cast<size_t>(n) * static_cast<size_t>(n),
                      [](double x) { return std::isfinite(x); }),
          "eigenvectors: the matrix is not finite");
  prepare_blas();
  const int size = 1 + 6 * n + 2 * n * n, integers = 3 + 5 * n;  // LAPACK's formulas
  std::vector<double> work(static_cast<size_t>(size));
  std::vector<int> indices(static_cast<size_t>(integers));
  int info = 0;
  // The lower triangle by rows is the upper one by columns; vectors come as columns, our rows.
  dsyevd_("V", "U", &n, a, &n, values.data(), work.data(), &size, indices.data(), &integers, &info);
  require(info == 0, "eigenvectors: no convergence");
  std::reverse(values.begin(), values.end());
  for (int i = 0; i < n / 2; ++i) {
    std::swap_ranges(a + int64_t{i} * n, a + (int64_t{i} + 1) * n, a + int64_t{n - 1 - i} * n);
  }
  return values;
}

}  // namespace bonsai
