#include "engine/kernels/per_channel.h"

#include <algorithm>

#include "engine/simd.h"

namespace bonsai {

int row_repeats(int channels) { return std::max(1, 512 / std::max(channels, 1)); }

int64_t reduction_rows(int channels) {
  return std::clamp<int64_t>((1 << 16) / std::max(channels, 1), 16, 1024);
}

void repeat_channels(const Scalar* v, int channels, int repeats, Scalar* tiled) {
  for (int r = 0; r < repeats; ++r) std::copy_n(v, channels, tiled + r * channels);
}

void fold_channels(const Scalar* tiled, int channels, int repeats, Scalar* v) {
  std::copy_n(tiled, channels, v);
  for (int r = 1; r < repeats; ++r) {
    for (int c = 0; c < channels; ++c) v[c] += tiled[r * channels + c];
  }
}

BONSAI_SIMD void scale_channels(const Scalar* x, int64_t n, int tile, const Scalar* scale,
                                Scalar* __restrict y, bool add) {
  for (int64_t i = 0; i < n; i += tile) {
    const int64_t end = std::min<int64_t>(tile, n - i);
    if (add) {
      for (int64_t j = 0; j < end; ++j) y[i + j] += x[i + j] * scale[j];
    } else {
      for (int64_t j = 0; j < end; ++j) y[i + j] = x[i + j] * scale[j];
    }
  }
}

BONSAI_SIMD void scale_all(const Scalar* x, int64_t n, Scalar scale, Scalar* __restrict y,
                           bool add) {
  if (add) {
    for (int64_t i = 0; i < n; ++i) y[i] += x[i] * scale;
  } else {
    for (int64_t i = 0; i < n; ++i) y[i] = x[i] * scale;
  }
}

BONSAI_SIMD void sum_channels(const Scalar* x, int64_t n, int tile, Scalar* __restrict sums) {
  for (int64_t i = 0; i < n; i += tile) {
    const int64_t end = std::min<int64_t>(tile, n - i);
    for (int64_t j = 0; j < end; ++j) sums[j] += x[i + j];
  }
}

BONSAI_SIMD void sum_squares(const Scalar* x, int64_t n, int tile, const Scalar* mean,
                             Scalar* __restrict sums) {
  for (int64_t i = 0; i < n; i += tile) {
    const int64_t end = std::min<int64_t>(tile, n - i);
    for (int64_t j = 0; j < end; ++j) {
      const Scalar d = x[i + j] - mean[j];
      sums[j] += d * d;
    }
  }
}

BONSAI_SIMD void sum_products(const Scalar* x, const Scalar* y, int64_t n, int tile,
                              Scalar* __restrict sums) {
  for (int64_t i = 0; i < n; i += tile) {
    const int64_t end = std::min<int64_t>(tile, n - i);
    for (int64_t j = 0; j < end; ++j) sums[j] += x[i + j] * y[i + j];
  }
}

}  // namespace bonsai
