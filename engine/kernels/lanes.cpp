// A tile is a few neighbouring pixels times one vector of channels. Its sums stay in registers over
// all taps, and each vector of weights is loaded once per tile. What is left of the channels goes
// through vectors of half the length, and so on down to one group: no masks, no copies.
#include "engine/kernels/lanes.h"

#include <algorithm>
#include <utility>

#include "engine/kernels/processor.h"
#include "engine/kernels/vector.h"

namespace bonsai {
namespace {

// to[c] = from[c ^ e]
template <int e, class Vector, int... lane>
[[gnu::always_inline]] inline void exchange(const Vector& from, Vector& to,
                                            std::integer_sequence<int, lane...>) {
  to = __builtin_shufflevector(from, from, (lane ^ e)...);
}

// total[c] = sum over e < size of z[e][c ^ e]; total begins as z[0].
template <int lanes, int size, int e, class Vector>
[[gnu::always_inline]] inline void add_exchanged(const Vector* z, Vector& total) {
  if constexpr (e < size) {
    Vector part;
    exchange<e>(z[e], part, std::make_integer_sequence<int, lanes>());
    total += part;
    add_exchanged<lanes, size, e + 1>(z, total);
  }
}

// to[e][c] = v[c ^ e]
template <int lanes, int size, int e, class Vector>
[[gnu::always_inline]] inline void exchange_all(const Vector& v, Vector* to) {
  if constexpr (e < size) {
    exchange<e>(v, to[e], std::make_integer_sequence<int, lanes>());
    exchange_all<lanes, size, e + 1>(v, to);
  }
}

template <int lanes, int size, int pixels>
[[gnu::always_inline]] inline void forward_tile(const LaneTap* taps, int count, int64_t x_step,
                                                int first, int c, int channels, const Scalar* w,
                                                Scalar* y, int64_t y_step, bool add) {
  using Vector = typename VectorOf<lanes* static_cast<int>(sizeof(Scalar))>::Type;
  Vector sum[pixels][size] = {};
  for (int t = 0; t < count; ++t) {
    const Scalar* x = taps[t].x + first * x_step + c;
    const Scalar* weights = w + taps[t].w + c;
    Vector weight[size];
    for (int e = 0; e < size; ++e) load(weight[e], weights + e * channels);
#pragma GCC unroll 8
    for (int q = 0; q < pixels; ++q) {
      Vector value;
      load(value, x + q * x_step);
      for (int e = 0; e < size; ++e) sum[q][e] += value * weight[e];
    }
  }
  for (int q = 0; q < pixels; ++q) {
    Scalar* to = y + (first + q) * y_step + c;
    Vector total = sum[q][0];
    add_exchanged<lanes, size, 1>(sum[q], total);
    if (add) {
      Vector old;
      load(old, to);
      total += old;
    }
    store(to, total);
  }
}

// All channels from c on in vectors of `lanes`, then of half as many.
template <int lanes, int size, int pixels>
[[gnu::always_inline]] inline void forward_channels(const LaneTap* taps, int count, int64_t x_step,
                                                    int first, int c, int channels, const Scalar* w,
                                                    Scalar* y, int64_t y_step, bool add) {
  if constexpr (lanes >= size) {
    for (; channels - c >= lanes; c += lanes) {
      forward_tile<lanes, size, pixels>(taps, count, x_step, first, c, channels, w, y, y_step, add);
    }
    forward_channels<lanes / 2, size, pixels>(taps, count, x_step, first, c, channels, w, y, y_step,
                                              add);
  }
}

// All pixels in tiles of `most`, then of half as many.
template <int lanes, int size, int most>
[[gnu::always_inline]] inline void forward_line(const LaneTap* taps, int count, int64_t x_step,
                                                int begin, int end, int channels, const Scalar* w,
                                                Scalar* y, int64_t y_step, bool add) {
  if constexpr (most > 0) {
    for (; end - begin >= most; begin += most) {
      forward_channels<lanes, size, most>(taps, count, x_step, begin, 0, channels, w, y, y_step,
                                          add);
    }
    forward_line<lanes, size, most / 2>(taps, count, x_step, begin, end, channels, w, y, y_step,
                                        add);
  }
}

// All pixels of some channels in tiles of `most`, then of half as many.
template <int lanes, int size, int most>
[[gnu::always_inline]] inline void forward_pixels(const LaneTap* taps, int count, int64_t x_step,
                                                  int begin, int end, int c, int channels,
                                                  const Scalar* w, Scalar* y, int64_t y_step,
                                                  bool add) {
  if constexpr (most > 0) {
    for (; end - begin >= most; begin += most) {
      forward_tile<lanes, size, most>(taps, count, x_step, begin, c, channels, w, y, y_step, add);
    }
    forward_pixels<lanes, size, most / 2>(taps, count, x_step, begin, end, c, channels, w, y,
                                          y_step, add);
  }
}

// The same line with the pixels innermost, for groups so large that the weights of all channels are
// more than the first cache holds: they are read once and not for every tile.
template <int lanes, int size, int most>
[[gnu::always_inline]] inline void forward_wide_line(const LaneTap* taps, int count, int64_t x_step,
                                                     int begin, int end, int c, int channels,
                                                     const Scalar* w, Scalar* y, int64_t y_step,
                                                     bool add) {
  if constexpr (lanes >= size) {
    for (; channels - c >= lanes; c += lanes) {
      forward_pixels<lanes, size, most>(taps, count, x_step, begin, end, c, channels, w, y, y_step,
                                        add);
    }
    forward_wide_line<lanes / 2, size, most>(taps, count, x_step, begin, end, c, channels, w, y,
                                             y_step, add);
  }
}

template <int lanes, int size, int count>
[[gnu::always_inline]] inline void weights_tile(const LaneTap* taps, int64_t x_step, int begin,
                                                int end, int c, int channels, const Scalar* dy,
                                                Scalar* dw) {
  using Vector = typename VectorOf<lanes* static_cast<int>(sizeof(Scalar))>::Type;
  Vector sum[count][size] = {};
  const Scalar* x[count];
  for (int t = 0; t < count; ++t) x[t] = taps[t].x + c;
  for (int q = begin; q < end; ++q) {
    Vector error[size];
    load(error[0], dy + int64_t{q} * channels + c);
    exchange_all<lanes, size, 1>(error[0], error);
#pragma GCC unroll 16
    for (int t = 0; t < count; ++t) {
      Vector value;
      load(value, x[t] + q * x_step);
      for (int e = 0; e < size; ++e) sum[t][e] += value * error[e];
    }
  }
  for (int t = 0; t < count; ++t) {
    for (int e = 0; e < size; ++e) {
      Scalar* to = dw + taps[t].w + e * channels + c;
      Vector old;
      load(old, to);
      sum[t][e] += old;
      store(to, sum[t][e]);
    }
  }
}

// All taps in tiles of `most`, then of a third as many.
template <int lanes, int size, int most>
[[gnu::always_inline]] inline void weights_taps(const LaneTap* taps, int count, int64_t x_step,
                                                int begin, int end, int c, int channels,
                                                const Scalar* dy, Scalar* dw) {
  if constexpr (most > 0) {
    for (; count >= most; count -= most, taps += most) {
      weights_tile<lanes, size, most>(taps, x_step, begin, end, c, channels, dy, dw);
    }
    weights_taps<lanes, size, most / 3>(taps, count, x_step, begin, end, c, channels, dy, dw);
  }
}

// All channels from c on in vectors of `lanes`, then of half as many.
template <int lanes, int size, int most>
[[gnu::always_inline]] inline void weights_line(const LaneTap* taps, int count, int64_t x_step,
                                                int begin, int end, int c, int channels,
                                                const Scalar* dy, Scalar* dw) {
  if constexpr (lanes >= size) {
    for (; channels - c >= lanes; c += lanes) {
      weights_taps<lanes, size, most>(taps, count, x_step, begin, end, c, channels, dy, dw);
    }
    weights_line<lanes / 2, size, most>(taps, count, x_step, begin, end, c, channels, dy, dw);
  }
}

// A vector holds at least one group, in registers or not.
constexpr int lanes_of(int bytes, int size) {
  return std::max(bytes / static_cast<int>(sizeof(Scalar)), size);
}

// Both functions for one size of groups and the instruction set that the attribute names, with the
// pixels and taps of a tile; a macro, because an attribute cannot be a template's parameter.
#define BONSAI_LANE_KERNELS(set, attribute, bytes, size, pixels, most_taps)                        \
  attribute void forward_##set##_##size(const LaneTap* taps, int count, int64_t x_step, int begin, \
                                        int end, int channels, const Scalar* w, Scalar* y,         \
                                        int64_t y_step, bool add) {                                \
    constexpr int lanes = lanes_of(bytes, size);                                                   \
    if constexpr (size > 2) {                                                                      \
      forward_wide_line<lanes, size, pixels>(taps, count, x_step, begin, end, 0, channels, w, y,   \
                                             y_step, add);                                         \
    } else {                                                                                       \
      forward_line<lanes, size, pixels>(taps, count, x_step, begin, end, channels, w, y, y_step,   \
                                        add);                                                      \
    }                                                                                              \
  }                                                                                                \
  attribute void weights_##set##_##size(const LaneTap* taps, int count, int64_t x_step, int begin, \
                                        int end, int channels, const Scalar* dy, Scalar* dw) {     \
    if (begin >= end) return;                                                                      \
    weights_line<lanes_of(bytes, size), size, most_taps>(taps, count, x_step, begin, end, 0,       \
                                                         channels, dy, dw);                        \
  }

#define BONSAI_LANE_SET(set)                                                        \
  constexpr LaneKernels kernels_##set = {                                           \
      {forward_##set##_1, forward_##set##_2, forward_##set##_4, forward_##set##_8}, \
      {weights_##set##_1, weights_##set##_2, weights_##set##_4, weights_##set##_8}};

#if defined(__x86_64__)
#define BONSAI_AVX2 __attribute__((target("avx2,fma")))
#define BONSAI_AVX512 __attribute__((target("avx512f,avx2,fma")))
BONSAI_LANE_KERNELS(avx512, BONSAI_AVX512, 64, 1, 8, 9)
BONSAI_LANE_KERNELS(avx512, BONSAI_AVX512, 64, 2, 8, 9)
BONSAI_LANE_KERNELS(avx512, BONSAI_AVX512, 64, 4, 4, 3)
BONSAI_LANE_KERNELS(avx512, BONSAI_AVX512, 64, 8, 2, 3)
BONSAI_LANE_SET(avx512)
BONSAI_LANE_KERNELS(avx2, BONSAI_AVX2, 32, 1, 8, 9)
BONSAI_LANE_KERNELS(avx2, BONSAI_AVX2, 32, 2, 4, 3)
BONSAI_LANE_KERNELS(avx2, BONSAI_AVX2, 32, 4, 2, 3)
BONSAI_LANE_KERNELS(avx2, BONSAI_AVX2, 32, 8, 1, 1)
BONSAI_LANE_SET(avx2)
#undef BONSAI_AVX2
#undef BONSAI_AVX512
#endif
// What every processor of the kind has: SSE2, NEON.
BONSAI_LANE_KERNELS(any, , 16, 1, 8, 9)
BONSAI_LANE_KERNELS(any, , 16, 2, 4, 3)
BONSAI_LANE_KERNELS(any, , 16, 4, 2, 3)
BONSAI_LANE_KERNELS(any, , 16, 8, 1, 1)
BONSAI_LANE_SET(any)
#undef BONSAI_LANE_KERNELS
#undef BONSAI_LANE_SET

}  // namespace

const LaneKernels& lane_kernels() {
#if defined(__x86_64__)
  if (widest_vectors() == Vectors::avx512) return kernels_avx512;
  if (widest_vectors() == Vectors::avx2) return kernels_avx2;
#endif
  return kernels_any;
}

}  // namespace bonsai
