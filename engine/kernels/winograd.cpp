// With points p_j, F(m, r) computes A^T [(G g) * (B^T d)]: row j of A^T holds the powers of p_j,
// row j of G the powers of p_j over N_j = prod_{i != j} (p_j - p_i), row j of B^T the
// coefficients of prod_{i != j} (x - p_i). For points that come in pairs +-a the sums over even
// and odd powers are shared.
#include "engine/kernels/winograd.h"

#include "engine/kernels/processor.h"
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

// A filter of 3 taps (weights) or 4 (errors): G g.
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

// Both axes, for the channels from c on that fill one vector. `whole`: no pixel is outside.
template <class Axis, class V, bool whole>
[[gnu::always_inline]] inline void transform_vector(const Source& from, const Target& to, int c,
                                                    bool add) {
  V half[Axis::from][Axis::to];  // the columns' transform, turned around
  for (int j = 0; j < Axis::from; ++j) {
    V column[Axis::from];
#pragma GCC unroll 6
    for (int i = 0; i < Axis::from; ++i) {
      if (whole || from.inside(i, j)) {
        load(column[i], from.pixel(i, j) + c);
      } else {
        column[i] = V{};
      }
    }
    Axis::apply(column, half[j]);
  }
  for (int i = 0; i < Axis::to; ++i) {
    V row[Axis::from], result[Axis::to];
#pragma GCC unroll 6
    for (int j = 0; j < Axis::from; ++j) row[j] = half[j][i];
    Axis::apply(row, result);
#pragma GCC unroll 6
    for (int j = 0; j < Axis::to; ++j) {
      if (!whole && !to.inside(i, j)) continue;
      Scalar* target = to.pixel(i, j) + c;
      if (add) {
        V old;
        load(old, target);
        result[j] += old;
      }
      store(target, result[j]);
    }
  }
}

// Whole vectors, then halves of them, down to single channels.
template <class Axis, int bytes, bool whole>
[[gnu::always_inline]] inline void transform_channels(const Source& from, const Target& to, int c,
                                                      int channels, bool add) {
  constexpr int lanes = bytes / static_cast<int>(sizeof(Scalar));
  for (; c + lanes <= channels; c += lanes) {
    transform_vector<Axis, typename VectorOf<bytes>::Type, whole>(from, to, c, add);
  }
  if constexpr (bytes > 16) {
    transform_channels<Axis, bytes / 2, whole>(from, to, c, channels, add);
  } else {
    for (; c < channels; ++c) {
      transform_vector<Axis, typename VectorOf<sizeof(Scalar)>::Type, whole>(from, to, c, add);
    }
  }
}

template <class Square>
bool is_whole(const Square& s, int side) {
  return s.top == 0 && s.left == 0 && s.bottom == side && s.right == side;
}

template <class Axis, int bytes>
[[gnu::always_inline]] inline void transform(const Source& from, const Target& to, int channels,
                                             bool add) {
  if (is_whole(from, Axis::from) && is_whole(to, Axis::to)) {
    transform_channels<Axis, bytes, true>(from, to, 0, channels, add);
  } else {
    transform_channels<Axis, bytes, false>(from, to, 0, channels, add);
  }
}

#define BONSAI_TRANSFORM(name, Axis, set, attribute, bytes)                                   \
  attribute void name##_##set(const Source& from, const Target& to, int channels, bool add) { \
    transform<Axis, bytes>(from, to, channels, add);                                          \
  }
#define BONSAI_WINOGRAD_KERNELS(set, attribute, bytes)                                 \
  BONSAI_TRANSFORM(input, Input, set, attribute, bytes)                                \
  BONSAI_TRANSFORM(weights, Filter<3>, set, attribute, bytes)                          \
  BONSAI_TRANSFORM(output, Result<4>, set, attribute, bytes)                           \
  BONSAI_TRANSFORM(error, Filter<4>, set, attribute, bytes)                            \
  BONSAI_TRANSFORM(gradient, Result<3>, set, attribute, bytes)                         \
  constexpr WinogradKernels kernels_##set = {input_##set, weights_##set, output_##set, \
                                             error_##set, gradient_##set};

#if defined(__x86_64__)
BONSAI_WINOGRAD_KERNELS(avx2, __attribute__((target("avx2,fma"))), 32)
BONSAI_WINOGRAD_KERNELS(avx512, __attribute__((target("avx512f,avx2,fma"))), 64)
#elif defined(__aarch64__)
BONSAI_WINOGRAD_KERNELS(neon, , 16)
#endif
#undef BONSAI_WINOGRAD_KERNELS
#undef BONSAI_TRANSFORM

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
