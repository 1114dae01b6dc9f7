// With points p_j, F(m, r) computes A^T [(G g) * (B^T d)]: row j of A^T holds the powers of p_j,
// row j of G the powers of p_j over N_j = prod_{i != j} (p_j - p_i), row j of B^T the
// coefficients of prod_{i != j} (x - p_i). For points that come in pairs +-a the sums over even
// and odd powers are shared.
#include "engine/kernels/winograd.h"

#include <algorithm>

#include "engine/ceil_div.h"
#include "engine/kernels/processor.h"
#include "engine/kernels/tile.h"
#include "engine/kernels/vector.h"

namespace bonsai {
namespace {

constexpr Scalar a = Scalar(0.70710678118654752440), b = Scalar(1.41421356237309504880);
constexpr Scalar a2 = Scalar(0.5), b2 = Scalar(2), a3 = a * a2, b3 = b * b2;
constexpr Scalar n_a = 2 * a2 * (a2 - b2), n_b = 2 * b2 * (b2 - a2);  // N of +-a and of +-b

// The rows of the points +-a and +-b, from their sums over even and odd powers.
template <class V>
[[gnu::always_inline]] inline void fill_pairs(const V& even_a, const V& odd_a, const V& even_b,
                                              const V& odd_b, V* t) {
  t[1] = even_a + odd_a;
  t[2] = even_a - odd_a;
  t[3] = even_b + odd_b;
  t[4] = even_b - odd_b;
}

// One axis of each transform.
struct Input {
  static constexpr int from = 6, to = 6;
  template <class V>
  [[gnu::always_inline]] static void apply(const V* d, V* t) {
    const V even_a = d[4] - b2 * d[2], odd_a = a * (d[3] - b2 * d[1]);
    const V even_b = d[4] - a2 * d[2], odd_b = b * (d[3] - a2 * d[1]);
    t[0] = d[0] - (a2 + b2) * d[2] + d[4];
    fill_pairs(even_a, odd_a, even_b, odd_b, t);
    t[5] = d[1] - (a2 + b2) * d[3] + d[5];
  }
};

// A filter of 3 taps (weights) or 4 (pixels): G g.
template <int taps>
struct Filter {
  static constexpr int from = taps, to = 6;
  template <class V>
  [[gnu::always_inline]] static void apply(const V* g, V* t) {
    V odd_a = g[1], odd_b = g[1];
    if constexpr (taps == 4) {
      odd_a += a2 * g[3];
      odd_b += b2 * g[3];
    }
    const V even_a = (1 / n_a) * (g[0] + a2 * g[2]), even_b = (1 / n_b) * (g[0] + b2 * g[2]);
    odd_a *= a / n_a;
    odd_b *= b / n_b;
    t[0] = g[0];
    fill_pairs(even_a, odd_a, even_b, odd_b, t);
    t[5] = g[taps - 1];
  }
};

// 4 outputs, or 3 taps of the weights' gradient: A^T m.
template <int count>
struct Result {
  static constexpr int from = 6, to = count;
  template <class V>
  [[gnu::always_inline]] static void apply(const V* m, V* t) {
    const V even_a = m[1] + m[2], odd_a = m[1] - m[2];
    const V even_b = m[3] + m[4], odd_b = m[3] - m[4];
    t[0] = m[0] + even_a + even_b;
    t[1] = a * odd_a + b * odd_b;
    t[2] = a2 * even_a + b2 * even_b;
    if constexpr (count == 4) t[3] = a3 * odd_a + b3 * odd_b;
    t[count - 1] += m[5];
  }
};

using Source = PixelSquare<const Scalar>;
using Target = PixelSquare<Scalar>;

template <class Value>
bool is_whole(const PixelSquare<Value>& s, int side) {
  return s.top == 0 && s.left == 0 && s.bottom == side && s.right == side;
}

// Both axes, of one vector of each pixel; no pixel is outside. All loops are unrolled, or `half`
// would stay in memory. Pointers step from pixel to pixel: products of `line` and `step` would all
// be computed, and put aside, before the loop over vectors.
template <class Axis, class V>
[[gnu::always_inline]] inline void transform_whole(const Source& from, const Target& to) {
  V half[Axis::from][Axis::to];  // the columns' transform, turned around
  const Scalar* first = from.pixel(0, 0);
#pragma GCC unroll 6
  for (int j = 0; j < Axis::from; ++j, first += from.step) {
    V column[Axis::from];
    const Scalar* next = first;
#pragma GCC unroll 6
    for (int i = 0; i < Axis::from; ++i, next += from.line) load(column[i], next);
    Axis::apply(column, half[j]);
  }
  Scalar* begin = to.pixel(0, 0);
#pragma GCC unroll 6
  for (int i = 0; i < Axis::to; ++i, begin += to.line) {
    V row[Axis::from], result[Axis::to];
#pragma GCC unroll 6
    for (int j = 0; j < Axis::from; ++j) row[j] = half[j][i];
    Axis::apply(row, result);
    Scalar* next = begin;
#pragma GCC unroll 6
    for (int j = 0; j < Axis::to; ++j, next += to.step) store(next, result[j]);
  }
}

// The same where pixels may be outside: by way of a square of which none is.
template <class Axis, class V>
[[gnu::always_inline]] inline void transform_vector(Source from, const Target& to, bool add) {
  constexpr int lanes = static_cast<int>(sizeof(V) / sizeof(Scalar));
  alignas(sizeof(V)) Scalar inputs[Axis::from * Axis::from * lanes];
  if (!is_whole(from, Axis::from)) {
    Scalar* next = inputs;
    for (int i = 0; i < Axis::from; ++i) {
      for (int j = 0; j < Axis::from; ++j, next += lanes) {
        V pixel{};
        if (from.inside(i, j)) load(pixel, from.pixel(i, j));
        store(next, pixel);
      }
    }
    from = whole_square<const Scalar>(inputs, Axis::from, lanes);
  }
  alignas(sizeof(V)) Scalar results[Axis::to * Axis::to * lanes];
  const bool at_once = !add && is_whole(to, Axis::to);
  transform_whole<Axis, V>(from, at_once ? to : whole_square(results, Axis::to, lanes));
  if (at_once) return;
  for (int i = to.top; i < to.bottom; ++i) {
    for (int j = to.left; j < to.right; ++j) {
      V result, old{};
      load(result, results + (i * Axis::to + j) * lanes);
      if (add) load(old, to.pixel(i, j));
      result += old;
      store(to.pixel(i, j), result);
    }
  }
}

// Whole vectors, then halves of them, down to single channels.
template <class Axis, int bytes>
[[gnu::always_inline]] inline void transform(Source from, Target to, int channels, bool add) {
  constexpr int lanes = bytes / static_cast<int>(sizeof(Scalar));
  for (; channels >= lanes; channels -= lanes, from.at += lanes, to.at += lanes) {
    transform_vector<Axis, typename VectorOf<bytes>::Type>(from, to, add);
  }
  if constexpr (bytes > 16) {
    transform<Axis, bytes / 2>(from, to, channels, add);
  } else if constexpr (lanes > 1) {
    transform<Axis, sizeof(Scalar)>(from, to, channels, add);
  }
}

// As the tiles of direct convolution, but several planes in one call: where channels are few, a
// call for each takes a good part of the time of its products.
template <int bytes, int vectors, int tiles>
[[gnu::always_inline]] inline void multiply(const WinogradProduct c, const WeightsAhead ahead,
                                            const WinogradAhead next, int64_t share) {
  using Vector = typename VectorOf<bytes>::Type;
  constexpr int lanes = bytes / static_cast<int>(sizeof(Scalar)), width = vectors * lanes;
  for (int p = 0; p < c.planes; ++p) {
    next.fetch(share + p);
    Scalar* products = c.products + p * width;
    // Every loop over the sums is unrolled: one that is not would keep them in memory.
    Vector sum[tiles][vectors] = {};
    if (c.add) {
#pragma GCC unroll 16
      for (int t = 0; t < tiles; ++t) {
        for (int v = 0; v < vectors; ++v) load(sum[t][v], products + t * c.stride + v * lanes);
      }
    }
    // One pointer for each three tiles, which an address reaches by adding once or twice the pitch:
    // with one for each there would be too few registers.
    constexpr int reach = 3, pointers = ceil_div(tiles, reach);
    const Scalar* from[pointers];
#pragma GCC unroll 16
    for (int g = 0; g < pointers; ++g) {
      from[g] = c.inputs + g * reach * c.pitch + int64_t{p} * c.in;
    }
    const Scalar* row = c.weights + p * c.plane;
    for (int64_t i = 0; i < c.in;) {
      const Scalar* later = row + ahead.distance;
      for (int l = ahead.first; l < ahead.last; ++l) {
        fetch_line<Use::read>(later + l * scalars_of_line);
      }
      for (const int64_t end = std::min<int64_t>(c.in, i + WeightsAhead::inputs); i < end; ++i) {
        Vector weight[vectors];
        for (int v = 0; v < vectors; ++v) load(weight[v], row + v * lanes);
        row += width;
#pragma GCC unroll 16
        for (int t = 0; t < tiles; ++t) {
          const Scalar input = from[t / reach][t % reach * c.pitch];
          for (int v = 0; v < vectors; ++v) sum[t][v] += input * weight[v];
        }
#pragma GCC unroll 16
        for (int g = 0; g < pointers; ++g) ++from[g];
      }
    }
#pragma GCC unroll 16
    for (int t = 0; t < tiles; ++t) {
      for (int v = 0; v < vectors; ++v) store(products + t * c.stride + v * lanes, sum[t][v]);
    }
  }
}

// One instance per number of tiles.
template <int bytes, int vectors, int most>
[[gnu::always_inline]] inline void multiply_tiles(const WinogradProduct& c,
                                                  const WeightsAhead& ahead,
                                                  const WinogradAhead& next, int64_t share) {
  if constexpr (most > 0) {
    if (c.tiles == most) return multiply<bytes, vectors, most>(c, ahead, next, share);
    multiply_tiles<bytes, vectors, most - 1>(c, ahead, next, share);
  }
}

#define BONSAI_PRODUCTS(name, vectors, set, attribute, bytes)                      \
  attribute void name##_##set(const WinogradProduct& c, const WeightsAhead& ahead, \
                              const WinogradAhead& next, int64_t share) {          \
    multiply_tiles<bytes, vectors, tile_rows(bytes)>(c, ahead, next, share);       \
  }
#define BONSAI_TRANSFORM(name, Axis, set, attribute, bytes)                                   \
  attribute void name##_##set(const Source& from, const Target& to, int channels, bool add) { \
    transform<Axis, bytes>(from, to, channels, add);                                          \
  }
#define BONSAI_WINOGRAD_KERNELS(set, attribute, bytes)                                   \
  BONSAI_TRANSFORM(input, Input, set, attribute, bytes)                                  \
  BONSAI_TRANSFORM(weights, Filter<3>, set, attribute, bytes)                            \
  BONSAI_TRANSFORM(output, Result<4>, set, attribute, bytes)                             \
  BONSAI_TRANSFORM(filter, Filter<4>, set, attribute, bytes)                             \
  BONSAI_TRANSFORM(gradient, Result<3>, set, attribute, bytes)                           \
  BONSAI_PRODUCTS(wide, 2, set, attribute, bytes)                                        \
  BONSAI_PRODUCTS(narrow, 1, set, attribute, bytes)                                      \
  constexpr WinogradKernels kernels_##set = {input_##set,  weights_##set,  output_##set, \
                                             filter_##set, gradient_##set, wide_##set,   \
                                             narrow_##set};

#if defined(__x86_64__)
BONSAI_WINOGRAD_KERNELS(avx2, __attribute__((target("avx2,fma"))), 32)
BONSAI_WINOGRAD_KERNELS(avx512, __attribute__((target("avx512f,avx2,fma"))), 64)
#elif defined(__aarch64__)
BONSAI_WINOGRAD_KERNELS(neon, , 16)
#endif
#undef BONSAI_WINOGRAD_KERNELS
#undef BONSAI_TRANSFORM
#undef BONSAI_PRODUCTS

}  // namespace

const WinogradKernels* winograd_kernels() {
#if defined(__x86_64__)
  if (widest_vectors() == Vectors::baseline) return nullptr;
  return widest_vectors() == Vectors::avx512 ? &kernels_avx512 : &kernels_avx2;
#elif defined(__aarch64__)
  return &kernels_neon;
#else
  return nullptr;
#endif
}

}  // namespace bonsai
