// Per step of a forward tile: load one or two vectors of weights, broadcast one input of each
// pixel, multiply and add. With 6 x 2 vectors of AVX2 that is 12 multiply-adds for 8 loads, which
// keeps both arithmetic units of a core busy; AVX-512 has registers for 12 x 2, NEON for 8 x 2.
#include "engine/kernels/tile.h"

#include "engine/kernels/processor.h"
#include "engine/kernels/vector.h"

namespace bonsai {
namespace {

// The first n scalars of a vector, n <= lanes: a tile's last vector may stick out of its row.
template <class Vector>
[[gnu::always_inline]] inline void load_first(Vector& v, const Scalar* from, int n) {
  constexpr int lanes = static_cast<int>(sizeof(Vector) / sizeof(Scalar));
  if (n == lanes) return load(v, from);
  alignas(sizeof(Vector)) Scalar aside[lanes] = {};
  for (int i = 0; i < n; ++i) aside[i] = from[i];
  load(v, aside);
}

template <int piece>
[[gnu::always_inline]] inline void copy_pieces(Scalar* to, const Scalar* from, int n) {
  if constexpr (piece > 0) {
    if ((n & piece) != 0) {
      std::memcpy(to, from, piece * sizeof(Scalar));
      to += piece;
      from += piece;
    }
    copy_pieces<piece / 2>(to, from, n);
  }
}

template <class Vector>
[[gnu::always_inline]] inline void store_first(Scalar* to, const Vector& v, int n) {
  constexpr int lanes = static_cast<int>(sizeof(Vector) / sizeof(Scalar));
  if (n == lanes) return store(to, v);
  alignas(sizeof(Vector)) Scalar aside[lanes];
  store(aside, v);
  copy_pieces<lanes / 2>(to, aside, n);
}

template <int bytes, int pixels, int vectors>
[[gnu::always_inline]] inline void forward_tile(const Scalar* const* x, int taps, int in,
                                                int64_t offset, const Scalar* w, Scalar* y,
                                                int64_t stride, int columns, bool add) {
  using Vector = typename VectorOf<bytes>::Type;
  constexpr int lanes = bytes / static_cast<int>(sizeof(Scalar)), last = (vectors - 1) * lanes;
  // Every loop over the sums is unrolled: one that is not would keep them in memory.
  Vector sum[pixels][vectors] = {};
  if (add) {
#pragma GCC unroll 16
    for (int p = 0; p < pixels; ++p) {
      for (int v = 0; v < vectors - 1; ++v) load(sum[p][v], y + p * stride + v * lanes);
      load_first(sum[p][vectors - 1], y + p * stride + last, columns - last);
    }
  }
  for (int tap = 0; tap < taps; ++tap) {
    const Scalar* from[pixels];
#pragma GCC unroll 16
    for (int p = 0; p < pixels; ++p) from[p] = x[tap * pixels + p] + offset;
    for (int i = 0; i < in; ++i, w += vectors * lanes) {
      Vector weight[vectors];
      for (int v = 0; v < vectors; ++v) load(weight[v], w + v * lanes);
#pragma GCC unroll 16
      for (int p = 0; p < pixels; ++p) {
        const Vector value = from[p][i] - Vector{};
        for (int v = 0; v < vectors; ++v) sum[p][v] += value * weight[v];
      }
    }
  }
#pragma GCC unroll 16
  for (int p = 0; p < pixels; ++p) {
    for (int v = 0; v < vectors - 1; ++v) store(y + p * stride + v * lanes, sum[p][v]);
    store_first(y + p * stride + last, sum[p][vectors - 1], columns - last);
  }
}

template <int bytes, int vectors, int inputs>
[[gnu::always_inline]] inline void weights_tile(const Scalar* const* x, int64_t offset,
                                                const Scalar* dy, int64_t pitch, int count,
                                                Scalar* dw, int64_t stride) {
  using Vector = typename VectorOf<bytes>::Type;
  constexpr int lanes = bytes / static_cast<int>(sizeof(Scalar));
  Vector sum[inputs][vectors] = {};
  for (int p = 0; p < count; ++p, dy += pitch) {
    const Scalar* from = x[p] + offset;
    Vector error[vectors];
    for (int v = 0; v < vectors; ++v) load(error[v], dy + v * lanes);
#pragma GCC unroll 16
    for (int i = 0; i < inputs; ++i) {
      const Vector value = from[i] - Vector{};
      for (int v = 0; v < vectors; ++v) sum[i][v] += value * error[v];
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < inputs; ++i) {
    for (int v = 0; v < vectors; ++v) {
      Scalar* to = dw + i * stride + v * lanes;
      Vector old;
      load(old, to);
      sum[i][v] += old;
      store(to, sum[i][v]);
    }
  }
}

// The last inputs of a layer may fill only part of a tile: one instance per number of inputs.
template <int bytes, int vectors, int most>
[[gnu::always_inline]] inline void weights_tile_of(const Scalar* const* x, int64_t offset,
                                                   int inputs, const Scalar* dy, int64_t pitch,
                                                   int count, Scalar* dw, int64_t stride) {
  if constexpr (most > 0) {
    if (inputs == most) {
      weights_tile<bytes, vectors, most>(x, offset, dy, pitch, count, dw, stride);
    } else {
      weights_tile_of<bytes, vectors, most - 1>(x, offset, inputs, dy, pitch, count, dw, stride);
    }
  }
}

// The same four functions for an instruction set that the attribute names; a macro, because an
// attribute cannot be a template's parameter.
#define BONSAI_TILE_KERNELS(set, attribute, bytes, rows)                                        \
  attribute void forward_wide_##set(const Scalar* const* x, int taps, int in, int64_t offset,   \
                                    const Scalar* w, Scalar* y, int64_t stride, int columns,    \
                                    bool add) {                                                 \
    forward_tile<bytes, rows, 2>(x, taps, in, offset, w, y, stride, columns, add);              \
  }                                                                                             \
  attribute void forward_narrow_##set(const Scalar* const* x, int taps, int in, int64_t offset, \
                                      const Scalar* w, Scalar* y, int64_t stride, int columns,  \
                                      bool add) {                                               \
    forward_tile<bytes, rows, 1>(x, taps, in, offset, w, y, stride, columns, add);              \
  }                                                                                             \
  attribute void weights_wide_##set(const Scalar* const* x, int64_t offset, int inputs,         \
                                    const Scalar* dy, int64_t pitch, int count, Scalar* dw,     \
                                    int64_t stride) {                                           \
    weights_tile_of<bytes, 2, rows>(x, offset, inputs, dy, pitch, count, dw, stride);           \
  }                                                                                             \
  attribute void weights_narrow_##set(const Scalar* const* x, int64_t offset, int inputs,       \
                                      const Scalar* dy, int64_t pitch, int count, Scalar* dw,   \
                                      int64_t stride) {                                         \
    weights_tile_of<bytes, 1, rows>(x, offset, inputs, dy, pitch, count, dw, stride);           \
  }                                                                                             \
  constexpr TileKernels kernels_##set = {rows,                                                  \
                                         bytes / static_cast<int>(sizeof(Scalar)),              \
                                         forward_wide_##set,                                    \
                                         forward_narrow_##set,                                  \
                                         weights_wide_##set,                                    \
                                         weights_narrow_##set};

#if defined(__x86_64__)
BONSAI_TILE_KERNELS(avx2, __attribute__((target("avx2,fma"))), 32, 6)
BONSAI_TILE_KERNELS(avx512, __attribute__((target("avx512f,avx2,fma"))), 64, 12)
#elif defined(__aarch64__)
BONSAI_TILE_KERNELS(neon, , 16, 8)
#endif
#undef BONSAI_TILE_KERNELS

}  // namespace

const TileKernels* tile_kernels() {
#if defined(__x86_64__)
  if (widest_vectors() == Vectors::baseline) return nullptr;
  return widest_vectors() == Vectors::avx512 ? &kernels_avx512 : &kernels_avx2;
#elif defined(__aarch64__)
  return &kernels_neon;
#else
  return nullptr;
#endif
}

void forward_pixels(const TileKernels& t, int count, int width, const Scalar* const* x, int taps,
                    int in, int64_t offset, const Scalar* w, Scalar* y, int64_t stride, int columns,
                    bool add) {
  constexpr int most_pixels = 12, most_width = 32;
  const auto kernel = width > t.lanes ? t.wide : t.narrow;
  if (count == t.pixels) return kernel(x, taps, in, offset, w, y, stride, columns, add);
  Scalar aside[most_pixels * most_width];
  kernel(x, taps, in, offset, w, aside, width, width, false);
  for (int p = 0; p < count; ++p) {
    for (int i = 0; i < columns; ++i) {
      Scalar& to = y[p * stride + i];
      to = (add ? to : Scalar{0}) + aside[p * width + i];
    }
  }
}

}  // namespace bonsai
