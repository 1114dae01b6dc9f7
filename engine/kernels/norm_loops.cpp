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
[[gnu::always_inline]] inline void normalize_run(const Scalar* x, int64_t later_x, int64_t n,
                                                 const Scalar* mean, const Scalar* scale,
                                                 const Scalar* shift, const Scalar* added,
                                                 Scalar* __restrict y, F f) {
  if (added != nullptr) {
    line_by_line(
        n,
        [&](int64_t j) __attribute__((always_inline)) {
          fetch_line<Use::later>(x + later_x + j);
          fetch_line<Use::read>(added + numbers_ahead + j);
        },
        [&](int64_t j) __attribute__((always_inline)) {
          const Scalar z = (x[j] - mean[j]) * scale[j] + shift[j];
          y[j] = f(z + added[j]);
        });
  } else {
    line_by_line(
        n,
        [&](int64_t j) __attribute__((always_inline)) { fetch_line<Use::later>(x + later_x + j); },
        [&](int64_t j)
            __attribute__((always_inline)) { y[j] = f((x[j] - mean[j]) * scale[j] + shift[j]); });
  }
}

template <class F>
[[gnu::always_inline]] inline void sum_run(const Scalar* x, int64_t later_x, const Scalar* dy,
                                           int64_t n, const Scalar* mean, const Scalar* scale,
                                           const Scalar* shift, Scalar* __restrict plain,
                                           Scalar* __restrict centred, F f) {
  line_by_line(
      n,
      [&](int64_t j) __attribute__((always_inline)) {
        fetch_line<Use::later>(x + later_x + j);
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
[[gnu::always_inline]] inline void mask_and_sum_run(const Scalar* x, int64_t later_x,
                                                    const Scalar* y, const Scalar* dy, int64_t n,
                                                    const Scalar* mean, Scalar* dz,
                                                    Scalar* __restrict plain,
                                                    Scalar* __restrict centred, F g) {
  line_by_line(
      n,
      [&](int64_t j) __attribute__((always_inline)) {
        fetch_line<Use::later>(x + later_x + j);
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
[[gnu::always_inline]] inline void sum_and_scale_run(
    const Scalar* x, int64_t later_x, const Scalar* dy, int64_t n, const Scalar* mean,
    const Scalar* scale, const Scalar* shift, Scalar* __restrict plain, Scalar* __restrict centred,
    Scalar* __restrict dx, int64_t later_dx, bool add, F f) {
  line_by_line(
      n,
      [&](int64_t j) __attribute__((always_inline)) {
        fetch_line<Use::later>(x + later_x + j);
        fetch_line<Use::later>(dx + later_dx + j);
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
[[gnu::always_inline]] inline void back_run(const Scalar* x, int64_t later_x, const Scalar* dy,
                                            int64_t n, const Scalar* mean, const Scalar* scale,
                                            const Scalar* shift, const Scalar* a, const Scalar* b,
                                            const Scalar* c, Scalar* dx, int64_t later_dx, bool add,
                                            F f) {
  const auto of = [&](int64_t j) __attribute__((always_inline)) {
    const Scalar dz = dz_of(x[j], dy[j], mean[j], scale[j], shift[j], f);
    return dz * a[j] + (x[j] - mean[j]) * b[j] + c[j];
  };
  if (add) {
    line_by_line(
        n,
        [&](int64_t j) __attribute__((always_inline)) {
          fetch_line<Use::later>(x + later_x + j);
          fetch_line<Use::read>(dy + numbers_ahead + j);
          fetch_line<Use::later>(dx + later_dx + j);
        },
        [&](int64_t j) __attribute__((always_inline)) { dx[j] += of(j); });
  } else {
    line_by_line(
        n,
        [&](int64_t j) __attribute__((always_inline)) {
          fetch_line<Use::later>(x + later_x + j);
          fetch_line<Use::read>(dy + numbers_ahead + j);
        },
        [&](int64_t j) __attribute__((always_inline)) { dx[j] = of(j); });
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
  const int64_t later_x = distance_ahead(v.run, v.step);
  with_function(
      f, [&](auto function) __attribute__((always_inline)) {
        for (Place p; p.i < n; p.advance(v)) {
          normalize_run(x + p.x, later_x, std::min<int64_t>(v.run, n - p.i), v.mean + p.vector,
                        v.scale + p.vector, v.shift + p.vector,
                        added != nullptr ? added + p.i : nullptr, y + p.i, function);
        }
      });
}

BONSAI_SIMD void sum_gradients(const Scalar* x, const Scalar* dy, int64_t n, const NormVectors& v,
                               const Activation& f, Scalar* plain, Scalar* centred) {
  const int64_t later_x = distance_ahead(v.run, v.step);
  with_function(
      f, [&](auto function) __attribute__((always_inline)) {
        for (Place p; p.i < n; p.advance(v)) {
          sum_run(x + p.x, later_x, dy + p.i, std::min<int64_t>(v.run, n - p.i), v.mean + p.vector,
                  v.scale + p.vector, v.shift + p.vector, plain + p.vector, centred + p.vector,
                  function);
        }
      });
}

BONSAI_SIMD void mask_and_sum_gradients(const Scalar* x, const Scalar* y, const Scalar* dy,
                                        int64_t n, const NormVectors& v, const Activation& g,
                                        Scalar* dz, Scalar* plain, Scalar* centred) {
  const int64_t later_x = distance_ahead(v.run, v.step);
  with_function(
      g, [&](auto function) __attribute__((always_inline)) {
        for (Place p; p.i < n; p.advance(v)) {
          mask_and_sum_run(x + p.x, later_x, y + p.i, dy + p.i, std::min<int64_t>(v.run, n - p.i),
                           v.mean + p.vector, dz + p.i, plain + p.vector, centred + p.vector,
                           function);
        }
      });
}

BONSAI_SIMD void sum_and_scale_gradients(const Scalar* x, const Scalar* dy, int64_t n,
                                         const NormVectors& v, const Activation& f, Scalar* plain,
                                         Scalar* centred, Scalar* dx, int64_t dx_step, bool add) {
  const int64_t later_x = distance_ahead(v.run, v.step), later_dx = distance_ahead(v.run, dx_step);
  with_function(
      f, [&](auto function) __attribute__((always_inline)) {
        for (Place p; p.i < n; p.advance(v), dx += dx_step) {
          sum_and_scale_run(x + p.x, later_x, dy + p.i, std::min<int64_t>(v.run, n - p.i),
                            v.mean + p.vector, v.scale + p.vector, v.shift + p.vector,
                            plain + p.vector, centred + p.vector, dx, later_dx, add, function);
        }
      });
}

BONSAI_SIMD void add_line_to_rows(const Scalar* x, int64_t x_step, int64_t rows, int channels,
                                  const Scalar* mean, const Scalar* slope, const Scalar* offset,
                                  Scalar* __restrict dx, int64_t dx_step) {
  const int64_t later_x = distance_ahead(channels, x_step),
                later_dx = distance_ahead(channels, dx_step);
  for (int64_t row = 0; row < rows; ++row, x += x_step, dx += dx_step) {
    line_by_line(
        channels,
        [&](int64_t j) __attribute__((always_inline)) {
          fetch_line<Use::later>(x + later_x + j);
          fetch_line<Use::later>(dx + later_dx + j);
        },
        [&](int64_t j)
            __attribute__((always_inline)) { dx[j] += (x[j] - mean[j]) * slope[j] + offset[j]; });
  }
}

BONSAI_SIMD void normalize_back(const Scalar* x, const Scalar* dy, int64_t n, const NormVectors& v,
                                const Activation& f, const BackVectors& w, Scalar* dx,
                                int64_t dx_step, bool add) {
  const int64_t later_x = distance_ahead(v.run, v.step), later_dx = distance_ahead(v.run, dx_step);
  with_function(
      f, [&](auto function) __attribute__((always_inline)) {
        for (Place p; p.i < n; p.advance(v), dx += dx_step) {
          back_run(x + p.x, later_x, dy + p.i, std::min<int64_t>(v.run, n - p.i), v.mean + p.vector,
                   v.scale + p.vector, v.shift + p.vector, w.a + p.vector, w.b + p.vector,
                   w.c + p.vector, dx, later_dx, add, function);
        }
      });
}

}  // namespace bonsai
