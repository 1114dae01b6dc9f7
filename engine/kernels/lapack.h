// Linear algebra in double precision, whatever Scalar is: least squares squares the condition of
// its data, which single precision does not survive. OpenBLAS, LAPACK included, lives behind this
// header and gemm.h; as there, work is cut by shape alone and each piece runs on one thread.
// All matrices are row-major with leading dimensions.
#pragma once

#include <vector>

#include "engine/kernels/gemm.h"

namespace bonsai {

// C [m, n] = alpha * op(A) [m, k] * op(B) [k, n] + beta * C, its rows or columns shared by all
// threads. With beta = 0, C need not be initialised.
void dgemm(Transpose ta, Transpose tb, int m, int n, int k, double alpha, const double* a, int lda,
           const double* b, int ldb, double beta, double* c, int ldc);

// The lower triangular L with L L' = A, in place of A [n, n], whose lower triangle is read; the
// upper one is left alone. False when A is not positive definite to working precision.
bool cholesky(int n, double* a, int lda);

// X = L^-1 X, for all columns of X [n, columns].
void solve_lower(int n, const double* l, int ldl, int columns, double* x, int ldx);

// X = A^-1 X with A = L L'.
void solve_cholesky(int n, const double* l, int ldl, int columns, double* x, int ldx);

// Eigenvectors of a symmetric A [n, n], densely, whose lower triangle is read: the row i of A
// becomes that of the i-th largest eigenvalue, of length 1. Returns the eigenvalues, descending.
// Throws Error when A is not finite.
std::vector<double> eigenvectors(int n, double* a);

}  // namespace bonsai
