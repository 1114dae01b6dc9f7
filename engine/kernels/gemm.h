// Matrix products. OpenBLAS lives behind this header and lapack.h; it runs single-threaded inside
// our own parallel loops, because its threads change the bits of a result on most processors and
// starve on the shapes of small networks.
#pragma once

#include "engine/tensor.h"

namespace bonsai {

enum class Transpose { no, yes };

// C [m, n] = alpha * op(A) [m, k] * op(B) [k, n] + beta * C, row-major with leading dimensions
// lda, ldb, ldc. With beta = 0, C need not be initialised. On the calling thread alone.
void gemm(Transpose ta, Transpose tb, int m, int n, int k, Scalar alpha, const Scalar* a, int lda,
          const Scalar* b, int ldb, Scalar beta, Scalar* c, int ldc);

// The same product, its rows (or columns, where those are more) shared by all threads. The cut
// depends on m, n and k alone, so the bits do not depend on the number of threads.
void parallel_gemm(Transpose ta, Transpose tb, int m, int n, int k, Scalar alpha, const Scalar* a,
                   int lda, const Scalar* b, int ldb, Scalar beta, Scalar* c, int ldc);

// Sets OpenBLAS up (once, on first use by gemm as well) and names it: "OpenBLAS 0.3.21 Zen".
// Throws Error when the linked flavour was built without threads: its serial build keeps shared
// buffers without a lock, and gives wrong results under a caller's threads.
const char* blas_description();

// Makes OpenBLAS ready for calls from this thread; for lapack.cpp, whose calls are not gemm's.
void prepare_blas();

}  // namespace bonsai
