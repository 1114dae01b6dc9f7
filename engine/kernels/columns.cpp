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

// One number at a time is at the speed of memory; vectors with one address per lane are slower.
void gather_columns(const Scalar* x, int64_t x_step, std::span<const int> index,
                    Scalar* __restrict y, int64_t rows, bool add) {
  const size_t n = index.size();
  for (int64_t r = 0; r < rows; ++r, x += x_step, y += n) {
    if (add) {
      for (size_t c = 0; c < n; ++c) y[c] += x[index[c]];
    } else {
      for (size_t c = 0; c < n; ++c) y[c] = x[index[c]];
    }
  }
}

}  // namespace bonsai
