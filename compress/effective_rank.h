// How many directions channels really use: a layer of 64 channels whose activations lie in a space
// of 9 dimensions holds little that others do not repeat.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/tensor.h"

namespace bonsai {

// The covariance of channels over all rows that were added.
class Covariance {
 public:
  void add(const Tensor& x);  // [..., C]
  int channels() const { return channels_; }
  std::vector<double> matrix() const;  // [C, C]

 private:
  int channels_ = 0;
  int64_t rows_ = 0;
  std::vector<Scalar> shift_;  // near the mean, so that the sums below lose no digits to it
  std::vector<double> sums_, products_;
};

// Of a symmetric matrix [n, n], ascending. Householder's reduction to three diagonals, then QL
// with implicit shifts (Martin and Wilkinson 1968, "The Implicit QL Algorithm"). 4/3 n^3
// operations.
std::vector<double> symmetric_eigenvalues(std::vector<double> matrix, int n);

// The fewest principal directions that hold this part of the variance; 0 when nothing varies.
int effective_rank(const Covariance& covariance, double energy = 0.99);

}  // namespace bonsai
