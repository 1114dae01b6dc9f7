#include "engine/kernels/norm_loops.h"

#include <algorithm>

#include "engine/kernels/ahead.h"
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
    for (int64_t j = 0; j < n; ++j) {
      const Scalar z = (x[j] - mean[j]) * scale[j] + shift[j];
      y[j] = f(z + added[j]);
    }
  } else {
    for (int64_t j = 0; j < n; ++j) y[j] = f((x[j] - mean[j]) * scale[j] + shift[j]);
  }
}

template <class F>
[[gnu::always_inline]] inline void sum_run(const Scalar* x, const Scalar* dy, int64_t n,
                                           const Scalar* mean, const Scalar* scale,
                                           const Scalar* shift, Scalar* __restrict plain,
                                           Scalar* __restrict centred, F f) {
  for (int64_t j = 0; j < n; ++j) {
    const Scalar dz = dz_of(x[j], dy[j], mean[j], scale[j], shift[j], f);
    plain[j] += dz;
    centred[j] += dz * (x[j] - mean[j]);
  }
}

template <class F>
[[gnu::always_inline]] inline void sum_and_scale_run(const Scalar* x, const Scalar* dy, int64_t n,
                                                     const Scalar* mean, const Scalar* scale,
                                                     const Scalar* shift, Scalar* __restrict plain,
                                                     Scalar* __restrict centred,
                                                     Scalar* __restrict dx, bool add, F f) {
  for (int64_t j = 0; j < n; ++j) {
    const Scalar dz = dz_of(x[j], dy[j], mean[j], scale[j], shift[j], f);
    plain[j] += dz;
    centred[j] += dz * (x[j] - mean[j]);
    dx[j] = (add ? dx[j] : Scalar{0}) + dz * scale[j];
  }
}

// dx may be x: each number is read before it is written, and no other one depends on it.
template <class F>
[[gnu::always_inline]] inline void back_run(const Scalar* x, const Scalar* dy, int64_t n,
                                            const Scalar* mean, const Scalar* scale,
                                            const Scalar* shift, const Scalar* a, const Scalar* b,
                                            const Scalar* c, Scalar* dx, bool add, F f) {
  if (add) {
#pragma GCC ivdep
    for (int64_t j = 0; j < n; ++j) {
      const Scalar dz = dz_of(x[j], dy[j], mean[j], scale[j], shift[j], f);
      dx[j] += dz * a[j] + (x[j] - mean[j]) * b[j] + c[j];
    }
  } else {
#pragma GCC ivdep
    for (int64_t j = 0; j < n; ++j) {
      const Scalar dz = dz_of(x[j], dy[j], mean[j], scale[j], shift[j], f);
      dx[j] = dz * a[j] + (x[j] - mean[j]) * b[j] + c[j];
    }
  }
}

// Goes through n elements run by run: where the run is in them, in x and in the vectors.
struct Place {
  int64_t i = 0, x = 0;
  int vector = 0;

  [[gnu::always_inline]] void advance(const NormVectors& v) {
    i += v.run;
    x += v.step;
    vector = vector + v.run < v.tile ? vector + v.run : 0;
  }
};

}  // namespace

BONSAI_SIMD void normalize(const Scalar* x, int64_t n, const NormVectors& v, const Scalar* added,
                           const Activation& f, Scalar* y) {
  with_function(
      f, [&](auto function) __attribute__((always_inline)) {
        for (Place p; p.i < n; p.advance(v)) {
          fetch_later_row<Use::read>(x + p.x, v.run, v.step);
          normalize_run(x + p.x, std::min<int64_t>(v.run, n - p.i), v.mean + p.vector,
                        v.scale + p.vector, v.shift + p.vector,
                        added != nullptr ? added + p.i : nullptr, y + p.i, function);
        }
      });
}

BONSAI_SIMD void sum_gradients(const Scalar* x, const Scalar* dy, int64_t n, const NormVectors& v,
                               const Activation& f, Scalar* plain, Scalar* centred) {
  with_function(
      f, [&](auto function) __attribute__((always_inline)) {
        for (Place p; p.i < n; p.advance(v)) {
          fetch_later_row<Use::read>(x + p.x, v.run, v.step);
          sum_run(x + p.x, dy + p.i, std::min<int64_t>(v.run, n - p.i), v.mean + p.vector,
                  v.scale + p.vector, v.shift + p.vector, plain + p.vector, centred + p.vector,
                  function);
        }
      });
}

BONSAI_SIMD void sum_and_scale_gradients(const Scalar* x, const Scalar* dy, int64_t n,
                                         const NormVectors& v, const Activation& f, Scalar* plain,
                                         Scalar* centred, Scalar* dx, int64_t dx_step, bool add) {
  with_function(
      f, [&](auto function) __attribute__((always_inline)) {
        for (Place p; p.i < n; p.advance(v), dx += dx_step) {
          fetch_later_row<Use::read>(x + p.x, v.run, v.step);
          fetch_later_row<Use::read>(dx, v.run, dx_step);
          sum_and_scale_run(x + p.x, dy + p.i, std::min<int64_t>(v.run, n - p.i), v.mean + p.vector,
                            v.scale + p.vector, v.shift + p.vector, plain + p.vector,
                            centred + p.vector, dx, add, function);
        }
      });
}

BONSAI_SIMD void add_line_to_row(const Scalar* x, int64_t n, const Scalar* mean,
                                 const Scalar* slope, const Scalar* offset, Scalar* __restrict dx) {
  for (int64_t j = 0; j < n; ++j) dx[j] += (x[j] - mean[j]) * slope[j] + offset[j];
}

BONSAI_SIMD void normalize_back(const Scalar* x, const Scalar* dy, int64_t n, const NormVectors& v,
                                const Activation& f, const BackVectors& w, Scalar* dx,
                                int64_t dx_step, bool add) {
  with_function(
      f, [&](auto function) __attribute__((always_inline)) {
        for (Place p; p.i < n; p.advance(v), dx += dx_step) {
          fetch_later_row<Use::read>(x + p.x, v.run, v.step);
          fetch_later_row<Use::read>(dx, v.run, dx_step);
          back_run(x + p.x, dy + p.i, std::min<int64_t>(v.run, n - p.i), v.mean + p.vector,
                   v.scale + p.vector, v.shift + p.vector, w.a + p.vector, w.b + p.vector,
                   w.c + p.vector, dx, add, function);
        }
      });
}

}  // namespace bonsai
