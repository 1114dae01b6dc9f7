// A tile is a few neighbouring pixels times one vector of channels. Its sums stay in registers over
// all taps, and each vector of weights is loaded once per tile. What is left of the channels goes
// through vectors of half the length, and so on down to one group: no masks, no copies.
#include "engine/kernels/lanes.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace bonsai {
namespace {

template <int lanes>
struct VectorOf {
  typedef Scalar Type __attribute__((vector_size(lanes * sizeof(Scalar))));
};

// Unaligned; the compiler makes one instruction of each copy. Vectors travel by reference, since
// passing one by value would mean another calling convention per instruction set.
template <class Vector>
[[gnu::always_inline]] inline void load(Vector& v, const Scalar* from) {
  std::memcpy(&v, from, sizeof v);
}

template <class Vector>
[[gnu::always_inline]] inline void store(Scalar* to, const Vector& v) {
  std::memcpy(to, &v, sizeof v);
}

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
[[gnu::always_inline]] inline void forward_tile(const Scalar* const* x, const Scalar* const* w,
                                                int taps, int64_t offset, int64_t x_step,
                                                int first_channel, int channels, Scalar* y,
                                                int64_t y_step, bool add) {
  using Vector = typename VectorOf<lanes>::Type;
  Vector sum[pixels][size] = {};
  for (int t = 0; t < taps; ++t) {
    const Scalar* from = x[t] + offset + first_channel;
    const Scalar* weights = w[t] + first_channel;
    Vector weight[size];
    for (int e = 0; e < size; ++e) load(weight[e], weights + e * channels);
#pragma GCC unroll 8
    for (int q = 0; q < pixels; ++q) {
      Vector value;
      load(value, from + q * x_step);
      for (int e = 0; e < size; ++e) sum[q][e] += value * weight[e];
    }
  }
  for (int q = 0; q < pixels; ++q) {
    Scalar* to = y + q * y_step + first_channel;
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

// All channels from first_channel on in vectors of `lanes`, then of half as many.
template <int lanes, int size, int pixels>
[[gnu::always_inline]] inline void forward_channels(const Scalar* const* x, const Scalar* const* w,
                                                    int taps, int64_t offset, int64_t x_step,
                                                    int first_channel, int channels, Scalar* y,
                                                    int64_t y_step, bool add) {
  if constexpr (lanes >= size) {
    for (; channels - first_channel >= lanes; first_channel += lanes) {
      forward_tile<lanes, size, pixels>(x, w, taps, offset, x_step, first_channel, channels, y,
                                        y_step, add);
    }
    forward_channels<lanes / 2, size, pixels>(x, w, taps, offset, x_step, first_channel, channels,
                                              y, y_step, add);
  }
}

// All pixels of a line in tiles of `most`, then of half as many.
template <int lanes, int size, int most>
[[gnu::always_inline]] inline void forward_line(const Scalar* const* x, const Scalar* const* w,
                                                int taps, int first, int64_t x_step, int pixels,
                                                int channels, Scalar* y, int64_t y_step, bool add) {
  if constexpr (most > 0) {
    for (; pixels - first >= most; first += most) {
      forward_channels<lanes, size, most>(x, w, taps, first * x_step, x_step, 0, channels,
                                          y + first * y_step, y_step, add);
    }
    forward_line<lanes, size, most / 2>(x, w, taps, first, x_step, pixels, channels, y, y_step,
                                        add);
  }
}

template <int lanes, int size, int taps>
[[gnu::always_inline]] inline void weights_tile(const Scalar* const* x, Scalar* const* dw,
                                                int64_t x_step, int pixels, int first_channel,
                                                int channels, const Scalar* dy) {
  using Vector = typename VectorOf<lanes>::Type;
  Vector sum[taps][size] = {};
  const Scalar* from[taps];
  for (int t = 0; t < taps; ++t) from[t] = x[t] + first_channel;
  dy += first_channel;
  for (int q = 0; q < pixels; ++q) {
    Vector error[size];
    load(error[0], dy + int64_t{q} * channels);
    exchange_all<lanes, size, 1>(error[0], error);
#pragma GCC unroll 16
    for (int t = 0; t < taps; ++t) {
      Vector value;
      load(value, from[t] + q * x_step);
      for (int e = 0; e < size; ++e) sum[t][e] += value * error[e];
    }
  }
  for (int t = 0; t < taps; ++t) {
    for (int e = 0; e < size; ++e) {
      Scalar* to = dw[t] + e * channels + first_channel;
      Vector old;
      load(old, to);
      sum[t][e] += old;
      store(to, sum[t][e]);
    }
  }
}

// All taps in tiles of `most`, then of a third as many.
template <int lanes, int size, int most>
[[gnu::always_inline]] inline void weights_taps(const Scalar* const* x, Scalar* const* dw, int taps,
                                                int first, int64_t x_step, int pixels,
                                                int first_channel, int channels, const Scalar* dy) {
  if constexpr (most > 0) {
    for (; taps - first >= most; first += most) {
      weights_tile<lanes, size, most>(x + first, dw + first, x_step, pixels, first_channel,
                                      channels, dy);
    }
    weights_taps<lanes, size, most / 3>(x, dw, taps, first, x_step, pixels, first_channel, channels,
                                        dy);
  }
}

template <int lanes, int size, int most>
[[gnu::always_inline]] inline void weights_line(const Scalar* const* x, Scalar* const* dw, int taps,
                                                int64_t x_step, int pixels, int first_channel,
                                                int channels, const Scalar* dy) {
  if constexpr (lanes >= size) {
    for (; channels - first_channel >= lanes; first_channel += lanes) {
      weights_taps<lanes, size, most>(x, dw, taps, 0, x_step, pixels, first_channel, channels, dy);
    }
    weights_line<lanes / 2, size, most>(x, dw, taps, x_step, pixels, first_channel, channels, dy);
  }
}

// A vector holds at least one group, in registers or not.
constexpr int lanes_of(int bytes, int size) {
  return std::max(bytes / static_cast<int>(sizeof(Scalar)), size);
}

// Both functions for one size of groups and the instruction set that the attribute names, with the
// pixels and taps of a tile; a macro, because an attribute cannot be a template's parameter.
#define BONSAI_LANE_KERNELS(set, attribute, bytes, size, pixels, taps)                            \
  attribute void forward_##set##_##size(const Scalar* const* x, const Scalar* const* w, int t,    \
                                        int64_t x_step, int n, int channels, Scalar* y,           \
                                        int64_t y_step, bool add) {                               \
    forward_line<lanes_of(bytes, size), size, pixels>(x, w, t, 0, x_step, n, channels, y, y_step, \
                                                      add);                                       \
  }                                                                                               \
  attribute void weights_##set##_##size(const Scalar* const* x, Scalar* const* dw, int t,         \
                                        int64_t x_step, int n, int channels, const Scalar* dy) {  \
    weights_line<lanes_of(bytes, size), size, taps>(x, dw, t, x_step, n, 0, channels, dy);        \
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
  static const LaneKernels* const chosen = [] {
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (avx2 && __builtin_cpu_supports("avx512f")) return &kernels_avx512;
    return avx2 ? &kernels_avx2 : &kernels_any;
  }();
  return *chosen;
#else
  return kernels_any;
#endif
}

}  // namespace bonsai
