#include "engine/kernels/finish.h"

#include <algorithm>

#include "engine/ceil_div.h"
#include "engine/parallel.h"
#include "engine/simd.h"

namespace bonsai {
namespace {

BONSAI_SIMD void add_row_vector(Scalar* y, int64_t rows, int channels, int64_t stride,
                                const Scalar* b) {
  for (int64_t r = 0; r < rows; ++r) {
    Scalar* row = y + r * stride;
    for (int c = 0; c < channels; ++c) row[c] += b[c];
  }
}

BONSAI_SIMD void accumulate_rows(const Scalar* y, int64_t rows, int channels, Scalar* sums) {
  for (int64_t r = 0; r < rows; ++r) {
    const Scalar* row = y + r * channels;
    for (int c = 0; c < channels; ++c) sums[c] += row[c];
  }
}

BONSAI_SIMD void add_range(const Scalar* part, int64_t n, Scalar* y) {
  for (int64_t i = 0; i < n; ++i) y[i] += part[i];
}

}  // namespace

void finish_rows(Scalar* y, int64_t rows, int channels, int64_t stride, const Scalar* b,
                 const Activation& f) {
  if (b != nullptr) add_row_vector(y, rows, channels, stride, b);
  if (f.kind == Activation::none) return;
  if (stride == channels) return activate(f, y, y, rows * channels);
  for (int64_t r = 0; r < rows; ++r) activate(f, y + r * stride, y + r * stride, channels);
}

void sum_rows(const Scalar* y, int64_t rows, int channels, Scalar* sums, bool add) {
  const int64_t grain = std::max<int64_t>(256, ceil_div(rows, 64));  // at most 64 partial sums
  const int parts = static_cast<int>(std::max<int64_t>(1, ceil_div(rows, grain)));
  const Tensor partial({parts, channels});
  parallel_chunks(parts, [&](int64_t part) {
    const int64_t begin = part * grain;
    accumulate_rows(y + begin * channels, std::min(grain, rows - begin), channels,
                    partial.data() + part * channels);
  });
  add_parts(partial.data(), parts, channels, sums, add);
}

void add_parts(const Scalar* parts, int count, int64_t n, Scalar* y, bool add) {
  parallel_ranges(n, 1 << 14, [&](int64_t begin, int64_t end) {
    if (!add) std::copy(parts + begin, parts + end, y + begin);
    for (int part = add ? 0 : 1; part < count; ++part) {
      add_range(parts + part * n + begin, end - begin, y + begin);
    }
  });
}

}  // namespace bonsai
