// As many rows as a vector has lanes are turned around into a vector per channel, which can then be
// taken in any order, and turned back. One number at a time takes longer than memory does, and so
// do loads with an address per lane.
#include "engine/kernels/gather.h"

#include <algorithm>
#include <utility>

#include "engine/ceil_div.h"
#include "engine/kernels/ahead.h"
#include "engine/kernels/processor.h"
#include "engine/kernels/vector.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

void gather_one_by_one(const Scalar* x, int64_t rows, int channels, std::span<const int> index,
                       Scalar* __restrict y, bool add) {
  const size_t n = index.size();
  for (int64_t r = 0; r < rows; ++r, x += channels, y += n) {
    if (add) {
      for (size_t c = 0; c < n; ++c) y[c] += x[index[c]];
    } else {
      for (size_t c = 0; c < n; ++c) y[c] = x[index[c]];
    }
  }
}

// low and high [2 i] and [2 i + 1]: the i-th lanes of a and b, from either half.
template <class Vector, int... lane>
[[gnu::always_inline]] inline void interleave(const Vector& a, const Vector& b, Vector& low,
                                              Vector& high, std::integer_sequence<int, lane...>) {
  constexpr int lanes = sizeof...(lane), half = lanes / 2;
  low = __builtin_shufflevector(a, b, (lane % 2 * lanes + lane / 2)...);
  high = __builtin_shufflevector(a, b, (lane % 2 * lanes + lane / 2 + half)...);
}

// v[i][j] and v[j][i] change places: each round moves the highest bit of the vector's number to the
// end of the lane's.
template <int lanes, int rounds, class Vector>
[[gnu::always_inline]] inline void transpose(Vector* v) {
  if constexpr (rounds > 1) {
    Vector next[lanes];
#pragma GCC unroll 16
    for (int i = 0; i < lanes / 2; ++i) {
      interleave(v[i], v[i + lanes / 2], next[2 * i], next[2 * i + 1],
                 std::make_integer_sequence<int, lanes>());
    }
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) v[i] = next[i];
    transpose<lanes, rounds / 2>(v);
  }
}

// Whole blocks of rows; returns how many rows that were. Where the channels are no multiple of the
// lanes, the last vector begins earlier and repeats some.
template <int bytes>
[[gnu::always_inline]] inline int64_t gather_blocks(const Scalar* x, int64_t rows, int channels,
                                                    const int* index, int n, Scalar* y) {
  using Vector = typename VectorOf<bytes>::Type;
  constexpr int lanes = bytes / static_cast<int>(sizeof(Scalar));
  if (std::min(channels, n) < lanes) return 0;
  auto* turned = thread_scratch<Scalar>(0, static_cast<size_t>(channels) * lanes);
  int64_t done = 0;
  for (; done + lanes <= rows; done += lanes, x += lanes * channels, y += lanes * n) {
    Ahead<Use::read> next_x(x + lanes * channels, lanes * channels, ceil_div(channels, lanes));
    Ahead<Use::write> next_y(y + lanes * n, lanes * n, ceil_div(n, lanes));
    Vector v[lanes];
    for (int c = 0; c < channels; c += lanes) {
      next_x.fetch();
      const int first = std::min(c, channels - lanes);
#pragma GCC unroll 16
      for (int r = 0; r < lanes; ++r) load(v[r], x + r * channels + first);
      transpose<lanes, lanes>(v);
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) store(turned + (first + i) * lanes, v[i]);
    }
    for (int c = 0; c < n; c += lanes) {
      next_y.fetch();
      const int first = std::min(c, n - lanes);
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) load(v[i], turned + index[first + i] * lanes);
      transpose<lanes, lanes>(v);
#pragma GCC unroll 16
      for (int r = 0; r < lanes; ++r) store(y + r * n + first, v[r]);
    }
  }
  return done;
}

// A macro, because an attribute cannot be a template's parameter.
#define BONSAI_GATHER(set, attribute, bytes)                                                    \
  attribute int64_t gather_##set(const Scalar* x, int64_t rows, int channels, const int* index, \
                                 int n, Scalar* y) {                                            \
    return gather_blocks<bytes>(x, rows, channels, index, n, y);                                \
  }
#if defined(__x86_64__)
BONSAI_GATHER(avx2, __attribute__((target("avx2"))), 32)
BONSAI_GATHER(avx512, __attribute__((target("avx512f,avx2"))), 64)
#endif
BONSAI_GATHER(any, , 16)  // SSE2, NEON
#undef BONSAI_GATHER

using Gather = int64_t (*)(const Scalar* x, int64_t rows, int channels, const int* index, int n,
                           Scalar* y);

Gather gather_kernel() {
#if defined(__x86_64__)
  if (widest_vectors() == Vectors::avx512) return gather_avx512;
  if (widest_vectors() == Vectors::avx2) return gather_avx2;
#endif
  return gather_any;
}

}  // namespace

void gather_columns(const Scalar* x, int64_t rows, int channels, std::span<const int> index,
                    Scalar* y, bool add) {
  const auto n = static_cast<int>(index.size());
  const int64_t done = add ? 0 : gather_kernel()(x, rows, channels, index.data(), n, y);
  gather_one_by_one(x + done * channels, rows - done, channels, index, y + done * n, add);
}

}  // namespace bonsai
