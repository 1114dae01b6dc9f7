// Per step of a forward tile: load one or two vectors of weights, broadcast one input of each
// pixel, multiply and add. With 6 x 2 vectors of AVX2 that is 12 multiply-adds for 8 loads, which
// keeps both arithmetic units of a core busy; AVX-512 has registers for 12 x 2, NEON for 8 x 2.
// Of groups that take turns, one input of each is broadcast, which is one load as well.
#include "engine/kernels/tile.h"

#include <algorithm>
#include <utility>

#include "engine/kernels/processor.h"
#include "engine/kernels/vector.h"

namespace bonsai {
namespace {

template <class Half, class Vector, int... lane>
[[gnu::always_inline]] inline void twice(const Half& half, Vector& v,
                                         std::integer_sequence<int, lane...>) {
  v = __builtin_shufflevector(half, half, lane...);
}

// v[c] = from[c % groups], as compilers know it: a number of 8 bytes, or a vector next to itself.
template <int groups, int bytes>
[[gnu::always_inline]] inline void broadcast(typename VectorOf<bytes>::Type& v,
                                             const Scalar* from) {
  constexpr int lanes = bytes / static_cast<int>(sizeof(Scalar));
  if constexpr (groups == 1) {
    const typename VectorOf<bytes>::Type all = *from - typename VectorOf<bytes>::Type{};
    std::memcpy(&v, &all, bytes);  // assigned, it would be written number by number
  } else if constexpr (groups >= lanes) {
    load(v, from);
  } else if constexpr (groups * sizeof(Scalar) == sizeof(int64_t)) {
    typedef int64_t Numbers __attribute__((vector_size(bytes)));
    int64_t number;
    std::memcpy(&number, from, sizeof number);
    const Numbers numbers = number - Numbers{};
    std::memcpy(&v, &numbers, bytes);
  } else {
    typename VectorOf<bytes / 2>::Type half;
    broadcast<groups, bytes / 2>(half, from);
    twice(half, v, std::make_integer_sequence<int, lanes>());
  }
}

template <int bytes, int pixels, int vectors, int groups, bool whole, bool add>
[[gnu::always_inline]] inline void forward_tile(const Scalar* const* x, int taps, int in,
                                                int64_t offset, const Scalar* w, Scalar* y,
                                                int64_t stride, int columns, ForwardAhead& ahead) {
  using Vector = typename VectorOf<bytes>::Type;
  constexpr int lanes = bytes / static_cast<int>(sizeof(Scalar)), last = (vectors - 1) * lanes;
  // Every loop over the sums is unrolled: one that is not would keep them in memory.
  Vector sum[pixels][vectors] = {};
  if constexpr (add) {
    const Scalar* row = y;
#pragma GCC unroll 16
    for (int p = 0; p < pixels; ++p, row += stride) {
      for (int v = 0; v < vectors - 1; ++v) load(sum[p][v], row + v * lanes);
      load_first(sum[p][vectors - 1], row + last, whole ? lanes : columns - last);
    }
  }
  for (int tap = 0; tap < taps; ++tap, x += pixels) {
    const Scalar* end[pixels];
#pragma GCC unroll 16
    for (int p = 0; p < pixels; ++p) end[p] = x[p] + offset;
    for (int left = in; left > 0; left -= ForwardAhead::terms) {
      ahead.fetch();
      // Counted up to the last of these: one register less than with a limit beside.
      const int64_t count = int64_t{std::min(left, ForwardAhead::terms)} * groups;
#pragma GCC unroll 16
      for (int p = 0; p < pixels; ++p) end[p] += count;
      for (int64_t i = -count; i != 0; i += groups, w += vectors * lanes) {
        Vector weight[vectors];
        for (int v = 0; v < vectors; ++v) load(weight[v], w + v * lanes);
#pragma GCC unroll 16
        for (int p = 0; p < pixels; ++p) {
          Vector value;
          broadcast<groups, bytes>(value, end[p] + i);
          for (int v = 0; v < vectors; ++v) sum[p][v] += value * weight[v];
        }
      }
    }
  }
#pragma GCC unroll 16
  for (int p = 0; p < pixels; ++p, y += stride) {
    for (int v = 0; v < vectors - 1; ++v) store(y + v * lanes, sum[p][v]);
    store_first(y + last, sum[p][vectors - 1], whole ? lanes : columns - last);
  }
}

template <int bytes, int vectors, int groups, int inputs>
[[gnu::always_inline]] inline void weights_tile(const Scalar* const* x, int64_t offset,
                                                const Scalar* dy, int64_t pitch, int count,
                                                Scalar* dw, int64_t stride, BackwardAhead& ahead) {
  using Vector = typename VectorOf<bytes>::Type;
  constexpr int lanes = bytes / static_cast<int>(sizeof(Scalar));
  Vector sum[inputs][vectors] = {};
  for (int p = 0; p < count;) {
    ahead.fetch();
    for (const int end = std::min(count, p + BackwardAhead::terms); p < end; ++p, dy += pitch) {
      // As an array: of a pointer, the sums of `offset` and i would be kept one by one.
      const auto& from = *reinterpret_cast<const Scalar(*)[inputs * groups]>(x[p] + offset);
      Vector error[vectors];
      for (int v = 0; v < vectors; ++v) load(error[v], dy + v * lanes);
#pragma GCC unroll 16
      for (int i = 0; i < inputs; ++i) {
        Vector value;
        broadcast<groups, bytes>(value, &from[i * groups]);
        for (int v = 0; v < vectors; ++v) sum[i][v] += value * error[v];
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < inputs; ++i, dw += stride) {
    for (int v = 0; v < vectors; ++v) {
      Vector old;
      load(old, dw + v * lanes);
      sum[i][v] += old;
      store(dw + v * lanes, sum[i][v]);
    }
  }
}

// The last inputs of a layer may fill only part of a tile: one instance per number of inputs.
template <int bytes, int vectors, int groups, int most>
[[gnu::always_inline]] inline void weights_tile_of(const Scalar* const* x, int64_t offset,
                                                   int inputs, const Scalar* dy, int64_t pitch,
                                                   int count, Scalar* dw, int64_t stride,
                                                   BackwardAhead& ahead) {
  if constexpr (most > 0) {
    if (inputs == most) {
      weights_tile<bytes, vectors, groups, most>(x, offset, dy, pitch, count, dw, stride, ahead);
    } else {
      weights_tile_of<bytes, vectors, groups, most - 1>(x, offset, inputs, dy, pitch, count, dw,
                                                        stride, ahead);
    }
  }
}

// The same functions for a number of groups and an instruction set that the attribute names;
// macros, because an attribute cannot be a template's parameter.
#define BONSAI_TILE_FORWARD(name, set, attribute, bytes, groups, vectors, whole, add)              \
  attribute void name##_##set##_##groups(const Scalar* const* x, int taps, int in, int64_t offset, \
                                         const Scalar* w, Scalar* y, int64_t stride, int columns,  \
                                         ForwardAhead& ahead) {                                    \
    forward_tile<bytes, tile_rows(bytes), vectors, groups, whole, add>(x, taps, in, offset, w, y,  \
                                                                       stride, columns, ahead);    \
  }
#define BONSAI_TILE_KERNELS(set, attribute, bytes, groups)                                         \
  BONSAI_TILE_FORWARD(narrow_cut, set, attribute, bytes, groups, 1, false, false)                  \
  BONSAI_TILE_FORWARD(narrow_cut_add, set, attribute, bytes, groups, 1, false, true)               \
  BONSAI_TILE_FORWARD(narrow, set, attribute, bytes, groups, 1, true, false)                       \
  BONSAI_TILE_FORWARD(narrow_add, set, attribute, bytes, groups, 1, true, true)                    \
  BONSAI_TILE_FORWARD(wide_cut, set, attribute, bytes, groups, 2, false, false)                    \
  BONSAI_TILE_FORWARD(wide_cut_add, set, attribute, bytes, groups, 2, false, true)                 \
  BONSAI_TILE_FORWARD(wide, set, attribute, bytes, groups, 2, true, false)                         \
  BONSAI_TILE_FORWARD(wide_add, set, attribute, bytes, groups, 2, true, true)                      \
  attribute void weights_wide_##set##_##groups(const Scalar* const* x, int64_t offset, int inputs, \
                                               const Scalar* dy, int64_t pitch, int count,         \
                                               Scalar* dw, int64_t stride, BackwardAhead& ahead) { \
    weights_tile_of<bytes, 2, groups, tile_rows(bytes)>(x, offset, inputs, dy, pitch, count, dw,   \
                                                        stride, ahead);                            \
  }                                                                                                \
  attribute void weights_narrow_##set##_##groups(                                                  \
      const Scalar* const* x, int64_t offset, int inputs, const Scalar* dy, int64_t pitch,         \
      int count, Scalar* dw, int64_t stride, BackwardAhead& ahead) {                               \
    weights_tile_of<bytes, 1, groups, tile_rows(bytes)>(x, offset, inputs, dy, pitch, count, dw,   \
                                                        stride, ahead);                            \
  }                                                                                                \
  constexpr TileKernels kernels_##set##_##groups = {                                               \
      tile_rows(bytes),                                                                            \
      bytes / static_cast<int>(sizeof(Scalar)),                                                    \
      {{{narrow_cut_##set##_##groups, narrow_cut_add_##set##_##groups},                            \
        {narrow_##set##_##groups, narrow_add_##set##_##groups}},                                   \
       {{wide_cut_##set##_##groups, wide_cut_add_##set##_##groups},                                \
        {wide_##set##_##groups, wide_add_##set##_##groups}}},                                      \
      weights_wide_##set##_##groups,                                                               \
      weights_narrow_##set##_##groups};

#define BONSAI_TILE_SET(set, attribute, bytes)                          \
  BONSAI_TILE_KERNELS(set, attribute, bytes, 1)                         \
  BONSAI_TILE_KERNELS(set, attribute, bytes, 2)                         \
  BONSAI_TILE_KERNELS(set, attribute, bytes, 4)                         \
  BONSAI_TILE_KERNELS(set, attribute, bytes, 8)                         \
  const TileKernels* kernels_##set(int groups) {                        \
    for (const auto& [of, kernels] : {std::pair{1, &kernels_##set##_1}, \
                                      {2, &kernels_##set##_2},          \
                                      {4, &kernels_##set##_4},          \
                                      {8, &kernels_##set##_8}}) {       \
      if (of == groups && of <= kernels->lanes) return kernels;         \
    }                                                                   \
    return nullptr;                                                     \
  }

#if defined(__x86_64__)
BONSAI_TILE_SET(avx2, __attribute__((target("avx2,fma"))), 32)
BONSAI_TILE_SET(avx512, __attribute__((target("avx512f,avx2,fma"))), 64)
#elif defined(__aarch64__)
BONSAI_TILE_SET(neon, , 16)
#endif
#undef BONSAI_TILE_SET
#undef BONSAI_TILE_KERNELS
#undef BONSAI_TILE_FORWARD

}  // namespace

const TileKernels* tile_kernels(int groups) {
#if defined(__x86_64__)
  if (widest_vectors() == Vectors::baseline) return nullptr;
  return widest_vectors() == Vectors::avx512 ? kernels_avx512(groups) : kernels_avx2(groups);
#elif defined(__aarch64__)
  return kernels_neon(groups);
#else
  return nullptr;
#endif
}

void forward_pixels(const TileKernels& t, int count, int width, const Scalar* const* x, int taps,
                    int in, int64_t offset, const Scalar* w, Scalar* y, int64_t stride, int columns,
                    bool add, ForwardAhead& ahead) {
  constexpr int most_pixels = 12, most_width = 32;
  const auto& kernels = t.forward[width > t.lanes];
  if (count == t.pixels) {
    return kernels[columns == width][add](x, taps, in, offset, w, y, stride, columns, ahead);
  }
  Scalar aside[most_pixels * most_width];
  kernels[true][false](x, taps, in, offset, w, aside, width, width, ahead);
  for (int p = 0; p < count; ++p) {
    for (int i = 0; i < columns; ++i) {
      Scalar& to = y[p * stride + i];
      to = (add ? to : Scalar{0}) + aside[p * width + i];
    }
  }
}

}  // namespace bonsai
