#include "engine/kernels/norm_loops.h"

#include <algorithm>

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
[[gnu::always_inline]] inline void normalize_with(const Scalar* x, int64_t n, const NormVectors& v,
                                                  const Scalar* added, Scalar* __restrict y, F f) {
  const Scalar *mean = v.mean, *scale = v.scale, *shift = v.shift;
  for (int64_t i = 0; i < n; i += v.tile) {
    const int64_t end = std::min<int64_t>(v.tile, n - i);
    if (added != nullptr) {
      for (int64_t j = 0; j < end; ++j) {
        const Scalar z = (x[i + j] - mean[j]) * scale[j] + shift[j];
        y[i + j] = f(z + added[i + j]);
      }
    } else {
      for (int64_t j = 0; j < end; ++j) {
        y[i + j] = f((x[i + j] - mean[j]) * scale[j] + shift[j]);
      }
    }
  }
}

template <class F>
[[gnu::always_inline]] inline void sum_with(const Scalar* x, const Scalar* dy, int64_t n,
                                            const NormVectors& v, Scalar* __restrict plain,
                                            Scalar* __restrict centred, F f) {
  const Scalar *mean = v.mean, *scale = v.scale, *shift = v.shift;
  for (int64_t i = 0; i < n; i += v.tile) {
    const int64_t end = std::min<int64_t>(v.tile, n - i);
    for (int64_t j = 0; j < end; ++j) {
      const Scalar dz = dz_of(x[i + j], dy[i + j], mean[j], scale[j], shift[j], f);
      plain[j] += dz;
      centred[j] += dz * (x[i + j] - mean[j]);
    }
  }
}

template <class F>
[[gnu::always_inline]] inline void back_with(const Scalar* x, const Scalar* dy, int64_t n,
                                             const NormVectors& v, const Scalar* a, const Scalar* b,
                                             const Scalar* c, Scalar* __restrict dx, bool add,
                                             F f) {
  const Scalar *mean = v.mean, *scale = v.scale, *shift = v.shift;
  for (int64_t i = 0; i < n; i += v.tile) {
    const int64_t end = std::min<int64_t>(v.tile, n - i);
    if (add) {
      for (int64_t j = 0; j < end; ++j) {
        const Scalar dz = dz_of(x[i + j], dy[i + j], mean[j], scale[j], shift[j], f);
        dx[i + j] += dz * a[j] + (x[i + j] - mean[j]) * b[j] + c[j];
      }
    } else {
      for (int64_t j = 0; j < end; ++j) {
        const Scalar dz = dz_of(x[i + j], dy[i + j], mean[j], scale[j], shift[j], f);
        dx[i + j] = dz * a[j] + (x[i + j] - mean[j]) * b[j] + c[j];
      }
    }
  }
}

}  // namespace

BONSAI_SIMD void normalize(const Scalar* x, int64_t n, const NormVectors& v, const Scalar* added,
                           const Activation& f, Scalar* y) {
  with_function(
      f, [&](auto function)
             __attribute__((always_inline)) { normalize_with(x, n, v, added, y, function); });
}

BONSAI_SIMD void sum_gradients(const Scalar* x, const Scalar* dy, int64_t n, const NormVectors& v,
                               const Activation& f, Scalar* plain, Scalar* centred) {
  with_function(
      f, [&](auto function)
             __attribute__((always_inline)) { sum_with(x, dy, n, v, plain, centred, function); });
}

BONSAI_SIMD void normalize_back(const Scalar* x, const Scalar* dy, int64_t n, const NormVectors& v,
                                const Activation& f, const Scalar* a, const Scalar* b,
                                const Scalar* c, Scalar* dx, bool add) {
  with_function(
      f, [&](auto function) __attribute__((always_inline)) {
        back_with(x, dy, n, v, a, b, c, dx, add, function);
      });
}

}  // namespace bonsai
