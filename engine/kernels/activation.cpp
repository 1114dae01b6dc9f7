#include "engine/kernels/activation.h"

#include <array>

#include "engine/error.h"
#include "engine/kernels/line_by_line.h"
#include "engine/kernels/pointwise.h"
#include "engine/simd.h"

namespace bonsai {
namespace {

constexpr std::array<std::string_view, 6> names = {"none",       "relu",    "relu6",
                                                   "leaky_relu", "sigmoid", "hard_swish"};

// y = f(x), in place too: each number is read before it is written, and no other one depends on it.
template <class F>
[[gnu::always_inline]] inline void map(const Scalar* x, Scalar* y, int64_t n, F f) {
  line_by_line(
      n,
      [&](int64_t i)
          __attribute__((always_inline)) { fetch_line<Use::read>(x + numbers_ahead + i); },
      [&](int64_t i) __attribute__((always_inline)) { y[i] = f(x[i]); });
}

// dx = dy * f'(v), or added; v is the input or the result. dx may be dy.
template <class F>
[[gnu::always_inline]] inline void map_back(const Scalar* v, const Scalar* dy, Scalar* dx,
                                            int64_t n, bool add, F f) {
  const auto fetch = [&](int64_t i) __attribute__((always_inline)) {
    fetch_line<Use::read>(v + numbers_ahead + i);
    fetch_line<Use::read>(dy + numbers_ahead + i);
    fetch_line<Use::write>(dx + numbers_ahead + i);
  };
  if (add) {
    line_by_line(
        n, fetch, [&](int64_t i) __attribute__((always_inline)) { dx[i] += f.back(v[i], dy[i]); });
  } else {
    line_by_line(
        n, fetch, [&](int64_t i) __attribute__((always_inline)) { dx[i] = f.back(v[i], dy[i]); });
  }
}

BONSAI_SIMD void map_all(const Activation& f, const Scalar* x, Scalar* y, int64_t n) {
  with_function(
      f, [&](auto function) __attribute__((always_inline)) { map(x, y, n, function); });
}

BONSAI_SIMD void map_all_back(const Activation& f, const Scalar* v, const Scalar* dy, Scalar* dx,
                              int64_t n, bool add) {
  with_function(
      f, [&](auto function)
             __attribute__((always_inline)) { map_back(v, dy, dx, n, add, function); });
}

}  // namespace

std::string_view activation_name(Activation::Kind kind) {
  return names.at(static_cast<size_t>(kind));
}

Activation::Kind activation_kind(std::string_view name) {
  for (size_t i = 1; i < names.size(); ++i) {
    if (names[i] == name) return static_cast<Activation::Kind>(i);
  }
  throw Error(join("activation '", name, "' is unknown, should be relu, relu6, leaky_relu, ",
                   "sigmoid or hard_swish"));
}

void activate(const Activation& f, const Scalar* x, Scalar* y, int64_t n) {
  if (f.kind != Activation::none || x != y) map_all(f, x, y, n);
}

bool follows_from_result(Activation::Kind kind) {
  return kind == Activation::none || kind == Activation::relu || kind == Activation::relu6 ||
         kind == Activation::sigmoid;
}

bool follows_from_input(Activation::Kind kind) { return kind != Activation::sigmoid; }

void activate_backward(const Activation& f, const Scalar* x, const Scalar* y, const Scalar* dy,
                       Scalar* dx, int64_t n, bool add) {
  map_all_back(f, follows_from_result(f.kind) ? y : x, dy, dx, n, add);
}

}  // namespace bonsai
