#include "engine/kernels/columns.h"

#include <algorithm>

#include "engine/kernels/ahead.h"
#include "engine/kernels/vector.h"
#include "engine/simd.h"

namespace bonsai {
namespace {

// y [n] = x, or y += x. The last vector ends with the row and may overlap the one before, whose
// numbers it gives once more; shorter rows have shorter vectors.
template <int bytes, bool add>
[[gnu::always_inline]] inline void move_row(const Scalar* x, Scalar* y, int n) {
  using Vector = typename VectorOf<bytes>::Type;
  constexpr int lanes = bytes / static_cast<int>(sizeof(Scalar));
  if constexpr (lanes > 1) {
    if (n < lanes) return move_row<bytes / 2, add>(x, y, n);
  }
  const auto moved = [&](int i, Vector& v) __attribute__((always_inline)) {
    load(v, x + i);
    if (!add) return;
    Vector old;
    load(old, y + i);
    v += old;
  };
  Vector last, v;
  moved(n - lanes, last);
  for (int i = 0; i < n - lanes; i += lanes) {
    moved(i, v);
    store(y + i, v);
  }
  store(y + n - lanes, last);
}

template <bool add>
[[gnu::always_inline]] inline void move_rows(const Scalar* x, int64_t x_step, Scalar* y,
                                             int64_t y_step, int64_t rows, int columns) {
  constexpr int vector_bytes = 64;
  const LaterRow<Use::read> later_x(columns, x_step);
  const LaterRow<Use::write> later_y(columns, y_step);
  for (int64_t r = 0; r < rows; ++r, x += x_step, y += y_step) {
    later_x.fetch(x);
    later_y.fetch(y);
    move_row<vector_bytes, add>(x, y, columns);
  }
}

BONSAI_SIMD void copy(const Scalar* x, int64_t x_step, Scalar* y, int64_t y_step, int64_t rows,
                      int columns) {
  move_rows<false>(x, x_step, y, y_step, rows, columns);
}

BONSAI_SIMD void accumulate(const Scalar* x, int64_t x_step, Scalar* y, int64_t y_step,
                            int64_t rows, int columns) {
  move_rows<true>(x, x_step, y, y_step, rows, columns);
}

}  // namespace

void copy_columns(const Scalar* x, int64_t x_step, Scalar* y, int64_t y_step, int64_t rows,
                  int columns, bool add) {
  if (columns == 0) return;
  add ? accumulate(x, x_step, y, y_step, rows, columns) : copy(x, x_step, y, y_step, rows, columns);
}

}  // namespace bonsai
