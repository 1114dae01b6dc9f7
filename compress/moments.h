// Sums over samples: all that least squares and the LASSO need to know of data. Samples are rows of
// X [rows, columns] (what a layer reads) and D [rows, outputs] (what its response lacks). They
// stream through in blocks and are not kept: memory is columns^2 doubles, however many there are.
//
// A block is multiplied in the engine's single-precision products, which take a third of the time,
// and its sums are added up in double precision. So that a large mean does not eat the digits of
// the deviations around it, the mean of the first block is taken off every row first.
#pragma once

#include <vector>

#include "engine/tensor.h"

namespace bonsai {

struct Moments {
  int columns = 0, outputs = 0;
  double rows = 0;
  bool centred = true;             // products of deviations from the mean, or of the values
  std::vector<double> xx;          // X'X [columns, columns]
  std::vector<double> xd;          // X'D [columns, outputs]
  double dd = 0;                   // the sum of D squared
  std::vector<double> x_mean;      // [columns]
  std::vector<double> d_mean;      // [outputs]
  std::vector<double> magnitudes;  // the sum of |X| [columns]
};

class MomentSum {
 public:
  MomentSum(int columns, int outputs);

  // x [rows, columns] and d [rows, outputs], densely.
  void add(const Scalar* x, const Scalar* d, int rows);

  // What has been summed; the object is spent. `centred` as a regression with an intercept needs
  // it. Throws Error when there was nothing.
  Moments finish(bool centred);

 private:
  void flush();
  void add_columns(int rows);
  void add_products(int rows);

  Moments sums_;
  std::vector<Scalar> x_, d_;      // the block that is being filled
  std::vector<double> shift_;      // taken off every row of X
  std::vector<double> d_squares_;  // per output
  int filled_ = 0;
};

// The bytes that a MomentSum of so many columns and outputs holds.
size_t moment_bytes(int columns, int outputs);

}  // namespace bonsai
