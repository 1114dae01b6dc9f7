#include "engine/kernels/norm_loops.h"

#include <algorithm>

#include "engine/kernels/ahead.h"
#include "engine/kernels/line_by_line.h"
#include "engine/kernels/pointwise.h"
#include "engine/simd.h"

namespace bonsai {
namespace {

// The derivative of an identity asks for no z, which is then not computed.
template <class F>
[[gnu::always_inline]] inline Scalar dz_of(Scalar x, Scalar dy, Scalar mean, Scalar scale,
                                           Scalar shift, F f) {
  return f.back((x - mean) * scale + shift, dy);
}

template <class F>
[[gnu::always_inline]] inline void normalize_run(const Scalar* x, int64_t n, const Scalar* mean,
                                                 const Scalar* scale, const Scalar* shift,
                                                 const Scalar* added, Scalar* __restrict y, F f) {
  if (added != nullptr) {
    line_by_line(
        n,
        [&](int64_t j) __attribute__((always_inline)) {
          fetch_line<Use::later>(x + numbers_ahead + j);
          fetch_line<Use::read>(added + numbers_ahead + j);
        },
        [&](int64_t j) __attribute__((always_inline)) {
          const Scalar z = (x[j] - mean[j]) * scale[j] + shift[j];
          y[j] = f(z + added[j]);
        });
  } else {
    line_by_line(
        n,
        [&](int64_t j)
            __attribute__((always_inline)) { fetch_line<Use::later>(x + numbers_ahead + j); },
        [&](int64_t j)
            __attribute__((always_inline)) { y[j] = f((x[j] - mean[j]) * scale[j] + shift[j]); });
  }
}

template <class F>
[[gnu::always_inline]] inline void sum_run(const Scalar* x, const Scalar* dy, int64_t n,
                                           const Scalar* mean, const Scalar* scale,
                                           const Scalar* shift, Scalar* __restrict plain,
                                           Scalar* __restrict centred, F f) {
  line_by_line(
      n,
      [&](int64_t j) __attribute__((always_inline)) {
        fetch_line<Use::later>(x + numbers_ahead + j);
        fetch_line<Use::read>(dy + numbers_ahead + j);
      },
      [&](int64_t j) __attribute__((always_inline)) {
        const Scalar dz = dz_of(x[j], dy[j], mean[j], scale[j], shift[j], f);
        plain[j] += dz;
        centred[j] += dz * (x[j] - mean[j]);
      });
}

// dz may be dy.
template <class F>
[[gnu::always_inline]] inline void mask_and_sum_run(const Scalar* x, const Scalar* y,
                                                    const Scalar* dy, int64_t n, const Scalar* mean,
                                                    Scalar* dz, Scalar* __restrict plain,
                                                    Scalar* __restrict centred, F g) {
  line_by_line(
      n,
      [&](int64_t j) __attribute__((always_inline)) {
        fetch_line<Use::later>(x + numbers_ahead + j);
        fetch_line<Use::read>(y + numbers_ahead + j);
        fetch_line<Use::read>(dy + numbers_ahead + j);
        fetch_line<Use::write>(dz + numbers_ahead + j);
      },
      [&](int64_t j) __attribute__((always_inline)) {
        const Scalar d = g.back(y[j], dy[j]);
        dz[j] = d;
        plain[j] += d;
        centred[j] += d * (x[j] - mean[j]);
      });
}

template <class F>
[[gnu::always_inline]] inline void sum_and_scale_run(const Scalar* x, const Scalar* dy, int64_t n,
                                                     const Scalar* mean, const Scalar* scale,
                                                     const Scalar* shift, Scalar* __restrict plain,
                                                     Scalar* __restrict centred,
                                                     Scalar* __restrict dx, bool add, F f) {
  line_by_line(
      n,
      [&](int64_t j) __attribute__((always_inline)) {
        fetch_line<Use::later>(x + numbers_ahead + j);
        fetch_line<Use::later>(dx + numbers_ahead + j);
      },
      [&](int64_t j) __attribute__((always_inline)) {
        const Scalar dz = dz_of(x[j], dy[j], mean[j], scale[j], shift[j], f);
        plain[j] += dz;
        centred[j] += dz * (x[j] - mean[j]);
        dx[j] = (add ? dx[j] : Scalar{0}) + dz * scale[j];
      });
}

// dx may be x: each number is read before it is written, and no other one depends on it.
template <class F>
[[gnu::always_inline]] inline void back_run(const Scalar* x, const Scalar* dy, int64_t n,
                                            const Scalar* mean, const Scalar* scale,
                                            const Scalar* shift, const Scalar* a, const Scalar* b,
                                            const Scalar* c, Scalar* dx, bool add, F f) {
  const auto of = [&](int64_t j) __attribute__((always_inline)) {
    const Scalar dz = dz_of(x[j], dy[j], mean[j], scale[j], shift[j], f);
    return dz * a[j] + (x[j] - mean[j]) * b[j] + c[j];
  };
  if (add) {
    line_by_line(
        n,
        [&](int64_t j) __attribute__((always_inline)) {
          fetch_line<Use::later>(x + numbers_ahead + j);
          fetch_line<Use::read>(dy + numbers_ahead + j);
          fetch_line<Use::later>(dx + numbers_ahead + j);
        },
        [&](int64_t j) __attribute__((always_inline)) { dx[j] += of(j); });
  } else {
    line_by_line(
        n,
        [&](int64_t j) __attribute__((always_inline)) {
          fetch_line<Use::later>(x + numbers_ahead + j);
          fetch_line<Use::read>(dy + numbers_ahead + j);
        },
        [&](int64_t j) __attribute__((always_inline)) { dx[j] = of(j); });
  }
}

// body(i, count) for every run of n numbers, as long as the vectors: number i is its first.
template <class Body>
[[gnu::always_inline]] inline void for_each_run(int64_t n, int tile, const Body& body) {
  for (int64_t i = 0; i < n; i += tile) body(i, std::min<int64_t>(tile, n - i));
}

}  // namespace

BONSAI_SIMD void normalize(const Scalar* x, int64_t n, const NormVectors& v, const Scalar* added,
                           const Activation& f, Scalar* y) {
  with_function(
      f, [&](auto function) __attribute__((always_inline)) {
        for_each_run(
            n, v.tile, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
              normalize_run(x + i, count, v.mean, v.scale, v.shift,
                            added != nullptr ? added + i : nullptr, y + i, function);
            });
      });
}

BONSAI_SIMD void sum_gradients(const Scalar* x, const Scalar* dy, int64_t n, const NormVectors& v,
                               const Activation& f, Scalar* plain, Scalar* centred) {
  with_function(
      f, [&](auto function) __attribute__((always_inline)) {
        for_each_run(
            n, v.tile, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
              sum_run(x + i, dy + i, count, v.mean, v.scale, v.shift, plain, centred, function);
            });
      });
}

BONSAI_SIMD void mask_and_sum_gradients(const Scalar* x, const Scalar* y, const Scalar* dy,
                                        int64_t n, const NormVectors& v, const Activation& g,
                                        Scalar* dz, Scalar* plain, Scalar* centred) {
  with_function(
      g, [&](auto function) __attribute__((always_inline)) {
        for_each_run(
            n, v.tile, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
              mask_and_sum_run(x + i, y + i, dy + i, count, v.mean, dz + i, plain, centred,
                               function);
            });
      });
}

BONSAI_SIMD void sum_and_scale_gradients(const Scalar* x, const Scalar* dy, int64_t n,
                                         const NormVectors& v, const Activation& f, Scalar* plain,
                                         Scalar* centred, Scalar* dx, bool add) {
  with_function(
      f, [&](auto function) __attribute__((always_inline)) {
        for_each_run(
            n, v.tile, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
              sum_and_scale_run(x + i, dy + i, count, v.mean, v.scale, v.shift, plain, centred,
                                dx + i, add, function);
            });
      });
}

BONSAI_SIMD void normalize_back(const Scalar* x, const Scalar* dy, int64_t n, const NormVectors& v,
                                const Activation& f, const BackVectors& w, Scalar* dx, bool add) {
  with_function(
      f, [&](auto function) __attribute__((always_inline)) {
        for_each_run(
            n, v.tile, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
              back_run(x + i, dy + i, count, v.mean, v.scale, v.shift, w.a, w.b, w.c, dx + i, add,
                       function);
            });
      });
}

BONSAI_SIMD void add_line(const Scalar* x, int64_t n, int tile, const Scalar* mean,
                          const Scalar* slope, const Scalar* offset, Scalar* __restrict dx) {
  for_each_run(
      n, tile, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
        line_by_line(
            count,
            [&](int64_t j) __attribute__((always_inline)) {
              fetch_line<Use::later>(x + i + numbers_ahead + j);
              fetch_line<Use::later>(dx + i + numbers_ahead + j);
            },
            [&](int64_t j) __attribute__((always_inline)) {
              dx[i + j] += (x[i + j] - mean[j]) * slope[j] + offset[j];
            });
      });
}

}  // namespace bonsai
