// Wide matrices are taken row by row. Of narrow ones a row is too short for that: they are taken a
// few channels at a time over all rows, as many as a vector has or as are left, so that what
// depends on the channel alone stays in registers.
#include "engine/kernels/norm_columns.h"

#include <utility>

#include "engine/kernels/ahead.h"
#include "engine/kernels/line_by_line.h"
#include "engine/kernels/pointwise.h"
#include "engine/simd.h"

namespace bonsai {
namespace {

constexpr int wide = 32;

// body(number of channels, the first of them), the former known to the compiler.
template <class Body>
[[gnu::always_inline]] inline void few_by_few(int channels, const Body& body) {
  int c = 0;
  for (; c + 16 <= channels; c += 16) body(std::integral_constant<int, 16>(), c);
  if (channels - c >= 8) {
    body(std::integral_constant<int, 8>(), c);
    c += 8;
  }
  if (channels - c >= 4) {
    body(std::integral_constant<int, 4>(), c);
    c += 4;
  }
  for (; c < channels; ++c) body(std::integral_constant<int, 1>(), c);
}

// What f has of n channels, the first of which is c.
template <int n>
struct Vectors {
  Scalar mean[n], scale[n], shift[n];

  [[gnu::always_inline]] Vectors(const Normalisation& f, int c) {
    together<n>(
        0, [&](int64_t j) __attribute__((always_inline)) {
          mean[j] = f.mean[c + j];
          scale[j] = f.scale[c + j];
          shift[j] = f.shift[c + j];
        });
  }
};

template <class F>
[[gnu::always_inline]] inline void normalize_wide(const Rows& x, const Normalisation& f,
                                                  Scalar* __restrict y, int64_t y_step,
                                                  F function) {
  const Scalar *from = x.data, *mean = f.mean, *scale = f.scale, *shift = f.shift;
  const int channels = x.channels;
  const int64_t rows = x.count;
  for (int64_t row = 0; row < rows; ++row, from += channels, y += y_step) {
    line_by_line(
        channels,
        [&](int64_t j)
            __attribute__((always_inline)) { fetch_line<Use::later>(from + numbers_ahead + j); },
        [&](int64_t j) __attribute__((always_inline)) {
          y[j] = function((from[j] - mean[j]) * scale[j] + shift[j]);
        });
  }
}

template <int n, class F>
[[gnu::always_inline]] inline void normalize_few(const Rows& x, int c, const Normalisation& f,
                                                 Scalar* __restrict y, int64_t y_step, F function) {
  const Vectors<n> v(f, c);
  const Scalar* from = x.data + c;
  for (int64_t row = 0; row < x.count; ++row, from += x.channels, y += y_step) {
    fetch_line<Use::later>(from + numbers_ahead);
    together<n>(
        0, [&](int64_t j) __attribute__((always_inline)) {
          y[j] = function((from[j] - v.mean[j]) * v.scale[j] + v.shift[j]);
        });
  }
}

// What the sums read and write, of which dx is null where only the sums are wanted.
struct Sums {
  const Scalar* dy;
  int64_t dy_step;
  Scalar *plain, *centred, *dx;
  bool add;
};

template <bool writes, class F>
[[gnu::always_inline]] inline void sum_wide(const Rows& x, const Normalisation& f, const Sums& s,
                                            F function) {
  const Scalar *from = x.data, *dy = s.dy, *mean = f.mean, *scale = f.scale, *shift = f.shift;
  Scalar* __restrict plain = s.plain, * __restrict centred = s.centred, * __restrict dx = s.dx;
  const int channels = x.channels;
  const int64_t rows = x.count, dy_step = s.dy_step;
  const bool add = s.add;
  for (int64_t row = 0; row < rows; ++row, from += channels, dy += dy_step) {
    line_by_line(
        channels,
        [&](int64_t j) __attribute__((always_inline)) {
          fetch_line<Use::later>(from + numbers_ahead + j);
          if (writes) fetch_line<Use::later>(dx + numbers_ahead + j);
        },
        [&](int64_t j) __attribute__((always_inline)) {
          const Scalar d = from[j] - mean[j];
          const Scalar dz = function.back(d * scale[j] + shift[j], dy[j]);
          plain[j] += dz;
          centred[j] += dz * d;
          if (writes) dx[j] = (add ? dx[j] : Scalar{0}) + dz * scale[j];
        });
    if (writes) dx += channels;
  }
}

template <bool writes, int n, class F>
[[gnu::always_inline]] inline void sum_few(const Rows& x, int c, const Normalisation& f,
                                           const Sums& s, F function) {
  const Vectors<n> v(f, c);
  const Scalar *from = x.data + c, *dy = s.dy + c;
  Scalar* __restrict dx = writes ? s.dx + c : nullptr;
  const int64_t dy_step = s.dy_step;
  const bool add = s.add;
  Scalar plain[n] = {}, centred[n] = {};
  for (int64_t row = 0; row < x.count; ++row, from += x.channels, dy += dy_step) {
    fetch_line<Use::later>(from + numbers_ahead);
    if (writes) fetch_line<Use::later>(dx + numbers_ahead);
    together<n>(
        0, [&](int64_t j) __attribute__((always_inline)) {
          const Scalar d = from[j] - v.mean[j];
          const Scalar dz = function.back(d * v.scale[j] + v.shift[j], dy[j]);
          plain[j] += dz;
          centred[j] += dz * d;
          if (writes) dx[j] = (add ? dx[j] : Scalar{0}) + dz * v.scale[j];
        });
    if (writes) dx += x.channels;
  }
  for (int j = 0; j < n; ++j) {
    s.plain[c + j] += plain[j];
    s.centred[c + j] += centred[j];
  }
}

template <bool writes>
[[gnu::always_inline]] inline void sum(const Rows& x, const Normalisation& f, const Sums& s) {
  with_function(
      f.activation, [&](auto function) __attribute__((always_inline)) {
        if (x.channels >= wide) return sum_wide<writes>(x, f, s, function);
        few_by_few(
            x.channels, [&](auto n, int c) __attribute__((always_inline)) {
              sum_few<writes, n()>(x, c, f, s, function);
            });
      });
}

}  // namespace

BONSAI_SIMD void normalize_columns(const Rows& x, const Normalisation& f, Scalar* y,
                                   int64_t y_step) {
  with_function(
      f.activation, [&](auto function) __attribute__((always_inline)) {
        if (x.channels >= wide) return normalize_wide(x, f, y, y_step, function);
        few_by_few(
            x.channels, [&](auto n, int c) __attribute__((always_inline)) {
              normalize_few<n()>(x, c, f, y + c, y_step, function);
            });
      });
}

BONSAI_SIMD void sum_column_gradients(const Rows& x, const Normalisation& f, const Scalar* dy,
                                      int64_t dy_step, Scalar* plain, Scalar* centred) {
  sum<false>(x, f, {dy, dy_step, plain, centred, nullptr, false});
}

BONSAI_SIMD void sum_and_scale_column_gradients(const Rows& x, const Normalisation& f,
                                                const Scalar* dy, int64_t dy_step, Scalar* plain,
                                                Scalar* centred, Scalar* dx, bool add) {
  sum<true>(x, f, {dy, dy_step, plain, centred, dx, add});
}

}  // namespace bonsai
