#include "engine/kernels/gemm.h"

#include <cblas.h>

#include <algorithm>
#include <string>

#include "engine/error.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

std::string set_up() {
  require(openblas_get_parallel() != 0,
          "OpenBLAS: the serial build is linked, which gives wrong results under threads; install "
          "its pthread build (Debian, Ubuntu: libopenblas-pthread-dev)");
  openblas_set_num_threads(1);
  const std::string version = openblas_get_config();  // "OpenBLAS 0.3.21 NO_LAPACKE ..."
  return version.substr(0, version.find(' ', version.find(' ') + 1)) + " " +
         openblas_get_corename();
}

CBLAS_TRANSPOSE cblas(Transpose t) { return t == Transpose::yes ? CblasTrans : CblasNoTrans; }

[[maybe_unused]] void multiply(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, int m, int n, int k,
                               float alpha, const float* a, int lda, const float* b, int ldb,
                               float beta, float* c, int ldc) {
  cblas_sgemm(CblasRowMajor, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

[[maybe_unused]] void multiply(CBLAS_TRANSPOSE ta, CBLAS_TRANSPOSE tb, int m, int n, int k,
                               double alpha, const double* a, int lda, const double* b, int ldb,
                               double beta, double* c, int ldc) {
  cblas_dgemm(CblasRowMajor, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

}  // namespace

const char* blas_description() {
  static const std::string description = set_up();
  return description.c_str();
}

// OpenBLAS's OpenMP build keeps its number of threads per calling thread.
void prepare_blas() {
  blas_description();
  thread_local const bool done = [] {
    if (openblas_get_parallel() == 2) openblas_set_num_threads(1);
    return true;
  }();
  static_cast<void>(done);
}

void gemm(Transpose ta, Transpose tb, int m, int n, int k, Scalar alpha, const Scalar* a, int lda,
          const Scalar* b, int ldb, Scalar beta, Scalar* c, int ldc) {
  prepare_blas();
  if (m == 0 || n == 0) return;
  multiply(cblas(ta), cblas(tb), m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

void parallel_gemm(Transpose ta, Transpose tb, int m, int n, int k, Scalar alpha, const Scalar* a,
                   int lda, const Scalar* b, int ldb, Scalar beta, Scalar* c, int ldc) {
  // About a million multiply-adds per piece: enough to hide what a piece costs, and at least 32
  // rows, so that packing the other operand again pays.
  const bool by_rows = m >= n;
  const int64_t line = static_cast<int64_t>(by_rows ? n : m) * k;
  const int64_t grain = std::max<int64_t>(32, (1 << 20) / std::max<int64_t>(line, 1));
  parallel_ranges(by_rows ? m : n, grain, [&](int64_t begin, int64_t end) {
    const int count = static_cast<int>(end - begin);
    if (by_rows) {
      const Scalar* rows = a + begin * (ta == Transpose::no ? lda : 1);
      gemm(ta, tb, count, n, k, alpha, rows, lda, b, ldb, beta, c + begin * ldc, ldc);
    } else {
      const Scalar* columns = b + begin * (tb == Transpose::no ? 1 : ldb);
      gemm(ta, tb, m, count, k, alpha, a, lda, columns, ldb, beta, c + begin, ldc);
    }
  });
}

}  // namespace bonsai
