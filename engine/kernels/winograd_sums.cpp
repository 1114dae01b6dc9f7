// Register tiles of a few errors times two vectors of inputs, or of twice as many times the last
// one: as many sums as the registers hold, of equal height. A last tile of few errors would wait
// for its own sums. Those of many weights come from afar, so that each tile asks for the next
// one's; that the last asks for what no tile has does no harm.
#include "engine/kernels/winograd_sums.h"

#include <algorithm>

#include "engine/ceil_div.h"
#include "engine/kernels/ahead.h"
#include "engine/kernels/processor.h"
#include "engine/kernels/tile.h"
#include "engine/kernels/vector.h"

namespace bonsai {
namespace {

template <int bytes, int vectors, int rows>
[[gnu::always_inline]] inline void sum_rows(const Scalar* errors, int64_t error_stride,
                                            const Scalar* inputs, int64_t input_stride, int tiles,
                                            Scalar* sums, int pitch, bool add) {
  using Vector = typename VectorOf<bytes>::Type;
  constexpr int lanes = bytes / static_cast<int>(sizeof(Scalar));
  // Every loop over the sums is unrolled: one that is not would keep them in memory.
  Vector sum[rows][vectors] = {};
  if (add) {
    const Scalar* row = sums;
#pragma GCC unroll 24
    for (int r = 0; r < rows; ++r, row += pitch) {
      for (int v = 0; v < vectors; ++v) load(sum[r][v], row + v * lanes);
    }
  }
  for (int t = 0; t < tiles; ++t, errors += error_stride, inputs += input_stride) {
    Vector input[vectors];
    for (int v = 0; v < vectors; ++v) load(input[v], inputs + v * lanes);
#pragma GCC unroll 24
    for (int r = 0; r < rows; ++r) {
      for (int v = 0; v < vectors; ++v) sum[r][v] += errors[r] * input[v];
    }
  }
#pragma GCC unroll 24
  for (int r = 0; r < rows; ++r, sums += pitch) {
    for (int v = 0; v < vectors; ++v) store(sums + v * lanes, sum[r][v]);
  }
}

// One instance per number of rows.
template <int bytes, int vectors, int most>
[[gnu::always_inline]] inline void sum_tile(int rows, const Scalar* errors, int64_t error_stride,
                                            const Scalar* inputs, int64_t input_stride, int tiles,
                                            Scalar* sums, int pitch, bool add) {
  if constexpr (most > 0) {
    if (rows == most) {
      sum_rows<bytes, vectors, most>(errors, error_stride, inputs, input_stride, tiles, sums, pitch,
                                     add);
    } else {
      sum_tile<bytes, vectors, most - 1>(rows, errors, error_stride, inputs, input_stride, tiles,
                                         sums, pitch, add);
    }
  }
}

// All errors of a plane times some vectors of inputs.
template <int bytes, int vectors>
[[gnu::always_inline]] inline void sum_vectors(const Scalar* errors, const WinogradPlanes& e,
                                               const Scalar* inputs, const WinogradPlanes& x,
                                               int tiles, Scalar* sums, int pitch, bool add) {
  constexpr int most = tile_rows(bytes) * 2 / vectors;
  const int heights = ceil_div(e.channels, most);
  const int height = ceil_div(e.channels, heights);
  constexpr int width = vectors * bytes / static_cast<int>(sizeof(Scalar));
  for (int o = 0; o < e.channels; o += height) {
    const int then = o + height;
    const Scalar* next = then < e.channels ? sums + int64_t{then} * pitch : sums + width;
    for (int r = 0; r < height; ++r, next += pitch) {
      for (int i = 0; i < width; i += scalars_of_line) fetch_line<Use::write>(next + i);
    }
    sum_tile<bytes, vectors, most>(std::min(height, e.channels - o), errors + o, e.stride, inputs,
                                   x.stride, tiles, sums + int64_t{o} * pitch, pitch, add);
  }
}

template <int bytes>
[[gnu::always_inline]] inline void sum_planes(const WinogradPlanes& errors,
                                              const WinogradPlanes& inputs, int tiles, int first,
                                              int last, Scalar* sums, int64_t plane, int pitch,
                                              bool add, const WinogradNext& next, int64_t share) {
  constexpr int lanes = bytes / static_cast<int>(sizeof(Scalar)), wide = 2 * lanes;
  for (int p = first; p < last; ++p, ++share) {
    next.fetch(share);
    const Scalar* from = errors.data + int64_t{p} * errors.channels;
    const Scalar* with = inputs.data + int64_t{p} * inputs.channels;
    Scalar* to = sums + p * plane;
    int c = 0;
    for (; c + wide <= inputs.channels; c += wide) {
      sum_vectors<bytes, 2>(from, errors, with + c, inputs, tiles, to + c, pitch, add);
    }
    if (c < inputs.channels) {
      sum_vectors<bytes, 1>(from, errors, with + c, inputs, tiles, to + c, pitch, add);
    }
  }
}

#define BONSAI_SUMS(set, attribute, bytes)                                                         \
  attribute void sums_##set(const WinogradPlanes& errors, const WinogradPlanes& inputs, int tiles, \
                            int first, int last, Scalar* sums, int64_t plane, int pitch, bool add, \
                            const WinogradNext& next, int64_t share) {                             \
    sum_planes<bytes>(errors, inputs, tiles, first, last, sums, plane, pitch, add, next, share);   \
  }

#if defined(__x86_64__)
BONSAI_SUMS(avx2, __attribute__((target("avx2,fma"))), 32)
BONSAI_SUMS(avx512, __attribute__((target("avx512f,avx2,fma"))), 64)
#elif defined(__aarch64__)
BONSAI_SUMS(neon, , 16)
#endif
#undef BONSAI_SUMS

}  // namespace

WinogradSums winograd_sums() {
#if defined(__x86_64__)
  if (widest_vectors() == Vectors::baseline) return nullptr;
  return widest_vectors() == Vectors::avx512 ? sums_avx512 : sums_avx2;
#elif defined(__aarch64__)
  return sums_neon;
#else
  return nullptr;
#endif
}

}  // namespace bonsai
