// Eigenvalues and eigenvectors of small symmetric matrices by cyclic Jacobi rotations (Golub and
// Van Loan, Matrix Computations, section 8.5): O(n^3) per sweep, a handful of sweeps, and the same
// bits wherever it runs.
#pragma once

#include <vector>

namespace bonsai {

struct SymmetricEigen {
  std::vector<double> values;                // in descending order
  std::vector<std::vector<double>> vectors;  // of length 1, in the order of their values
};

// matrix: n x n by rows. Throws Error when it is of another size or not finite.
SymmetricEigen symmetric_eigen(std::vector<double> matrix, int n);

}  // namespace bonsai
