#include "engine/kernels/columns.h"

#include "engine/simd.h"

namespace bonsai {
namespace {

BONSAI_SIMD void copy(const Scalar* x, int64_t x_step, Scalar* __restrict y, int64_t y_step,
                      int64_t rows, int columns) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int c = 0; c < columns; ++c) y[r * y_step + c] = x[r * x_step + c];
  }
}

BONSAI_SIMD void accumulate(const Scalar* x, int64_t x_step, Scalar* __restrict y, int64_t y_step,
                            int64_t rows, int columns) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int c = 0; c < columns; ++c) y[r * y_step + c] += x[r * x_step + c];
  }
}

}  // namespace

void copy_columns(const Scalar* x, int64_t x_step, Scalar* y, int64_t y_step, int64_t rows,
                  int columns, bool add) {
  add ? accumulate(x, x_step, y, y_step, rows, columns) : copy(x, x_step, y, y_step, rows, columns);
}

}  // namespace bonsai
