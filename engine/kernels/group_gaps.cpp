// Where half of the channels are gaps, as between layers that double them, several groups move in
// one vector; otherwise each by itself, its width a constant.
#include "engine/kernels/group_gaps.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/kernels/columns.h"
#include "engine/kernels/processor.h"
#include "engine/kernels/vector.h"

namespace bonsai {
namespace {

constexpr int most_size = 8;

// v: the numbers of `half` in groups of `size`, zeros in the second half of each.
template <int size, class Half, class Vector, int... lane>
[[gnu::always_inline]] inline void spread_lanes(const Half& half, Vector& v,
                                                std::integer_sequence<int, lane...>) {
  constexpr int used = size / 2, zero = sizeof...(lane) / 2;
  v = __builtin_shufflevector(half, Half{},
                              (lane % size < used ? lane / size * used + lane % size : zero)...);
}

// By way of a whole vector: GCC 12 takes other lanes of eight doubles that become four at once.
template <int size, class Vector, class Half, int... lane>
[[gnu::always_inline]] inline void gather_lanes(const Vector& v, Half& half,
                                                std::integer_sequence<int, lane...>) {
  constexpr int used = size / 2, lanes = sizeof...(lane);
  const Vector all = __builtin_shufflevector(v, v, (lane / used * size % lanes + lane % used)...);
  std::memcpy(&half, &all, sizeof half);
}

// A vector of whole groups of `size` and the half that they use.
template <int bytes, int size>
struct Groups {
  static constexpr int lanes = std::max(bytes / static_cast<int>(sizeof(Scalar)), size);
  static constexpr int count = lanes / size;
  using Vector = typename VectorOf<lanes* static_cast<int>(sizeof(Scalar))>::Type;
  using Half = typename VectorOf<lanes* static_cast<int>(sizeof(Scalar)) / 2>::Type;
};

template <int bytes, int used, int size>
[[gnu::always_inline]] inline void spread_pixel(int groups, const Scalar* x, Scalar* to) {
  int i = 0;
  if constexpr (2 * used == size) {
    using G = Groups<bytes, size>;
    for (; i + G::count <= groups; i += G::count, x += G::lanes / 2, to += G::lanes) {
      typename G::Half half;
      typename G::Vector all;
      load(half, x);
      spread_lanes<size>(half, all, std::make_integer_sequence<int, G::lanes>());
      store(to, all);
    }
  }
  for (; i < groups; ++i, x += used, to += size) {
    Scalar all[size] = {};
    std::copy_n(x, used, all);
    std::copy_n(all, size, to);
  }
}

template <int bytes, int used, int size>
[[gnu::always_inline]] inline void gather_pixel(int groups, const Scalar* from, Scalar* y,
                                                bool add) {
  int i = 0;
  if constexpr (2 * used == size) {
    using G = Groups<bytes, size>;
    for (; i + G::count <= groups; i += G::count, from += G::lanes, y += G::lanes / 2) {
      typename G::Vector all;
      typename G::Half half;
      load(all, from);
      gather_lanes<size>(all, half, std::make_integer_sequence<int, G::lanes>());
      if (add) {
        typename G::Half old;
        load(old, y);
        half += old;
      }
      store(y, half);
    }
  }
  for (; i < groups; ++i, from += size, y += used) {
    Scalar some[used] = {};
    if (add) std::copy_n(y, used, some);
    for (int c = 0; c < used; ++c) some[c] += from[c];
    std::copy_n(some, used, y);
  }
}

template <int bytes, int used, int size>
[[gnu::always_inline]] inline void spread_of(const GroupGaps& g, const Scalar* x, int64_t count,
                                             Scalar* to, int64_t to_step) {
  if (g.used == used && g.size == size) {
    for (int64_t p = 0; p < count; ++p, x += g.groups * used, to += to_step) {
      spread_pixel<bytes, used, size>(g.groups, x, to);
    }
  } else if constexpr (used + 1 < size || size < most_size) {
    constexpr bool same = used + 1 < size;
    spread_of<bytes, same ? used + 1 : 1, same ? size : 2 * size>(g, x, count, to, to_step);
  }
}

template <int bytes, int used, int size>
[[gnu::always_inline]] inline void gather_of(const GroupGaps& g, const Scalar* from,
                                             int64_t from_step, int64_t count, Scalar* y,
                                             bool add) {
  if (g.used == used && g.size == size) {
    for (int64_t p = 0; p < count; ++p, from += from_step, y += g.groups * used) {
      gather_pixel<bytes, used, size>(g.groups, from, y, add);
    }
  } else if constexpr (used + 1 < size || size < most_size) {
    constexpr bool same = used + 1 < size;
    gather_of<bytes, same ? used + 1 : 1, same ? size : 2 * size>(g, from, from_step, count, y,
                                                                  add);
  }
}

struct GapKernels {
  void (*spread)(const GroupGaps& g, const Scalar* x, int64_t count, Scalar* to, int64_t to_step);
  void (*gather)(const GroupGaps& g, const Scalar* from, int64_t from_step, int64_t count,
                 Scalar* y, bool add);
};

// A macro, because an attribute cannot be a template's parameter.
#define BONSAI_GAP_KERNELS(set, attribute, bytes)                                             \
  attribute void spread_##set(const GroupGaps& g, const Scalar* x, int64_t count, Scalar* to, \
                              int64_t to_step) {                                              \
    spread_of<bytes, 1, 2>(g, x, count, to, to_step);                                         \
  }                                                                                           \
  attribute void gather_##set(const GroupGaps& g, const Scalar* from, int64_t from_step,      \
                              int64_t count, Scalar* y, bool add) {                           \
    gather_of<bytes, 1, 2>(g, from, from_step, count, y, add);                                \
  }                                                                                           \
  constexpr GapKernels kernels_##set = {spread_##set, gather_##set};
#if defined(__x86_64__)
BONSAI_GAP_KERNELS(avx2, __attribute__((target("avx2"))), 32)
BONSAI_GAP_KERNELS(avx512, __attribute__((target("avx512f,avx2"))), 64)
#endif
BONSAI_GAP_KERNELS(any, , 16)  // SSE2, NEON
#undef BONSAI_GAP_KERNELS

const GapKernels& gap_kernels() {
#if defined(__x86_64__)
  if (widest_vectors() == Vectors::avx512) return kernels_avx512;
  if (widest_vectors() == Vectors::avx2) return kernels_avx2;
#endif
  return kernels_any;
}

}  // namespace

void spread_groups(const GroupGaps& g, const Scalar* x, int64_t count, Scalar* to,
                   int64_t to_step) {
  const int channels = g.dense_channels();
  if (g.used == g.size) return copy_columns(x, channels, to, to_step, count, channels, false);
  gap_kernels().spread(g, x, count, to, to_step);
}

void gather_groups(const GroupGaps& g, const Scalar* from, int64_t from_step, int64_t count,
                   Scalar* y, bool add) {
  const int channels = g.dense_channels();
  if (g.used == g.size) return copy_columns(from, from_step, y, channels, count, channels, add);
  gap_kernels().gather(g, from, from_step, count, y, add);
}

}  // namespace bonsai
