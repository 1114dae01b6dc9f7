#include "engine/kernels/activation.h"

#include <array>

#include "engine/error.h"
#include "engine/kernels/pointwise.h"
#include "engine/simd.h"

namespace bonsai {
namespace {

constexpr std::array<std::string_view, 6> names = {"none",       "relu",    "relu6",
                                                   "leaky_relu", "sigmoid", "hard_swish"};

// y = f(x). In place is a loop of its own: the compiler cannot vectorise one whose pointers may
// overlap in any way.
template <class F>
[[gnu::always_inline]] inline void map(const Scalar* x, Scalar* y, int64_t n, F f) {
  if (x == y) {
    for (int64_t i = 0; i < n; ++i) y[i] = f(y[i]);
  } else {
    for (int64_t i = 0; i < n; ++i) y[i] = f(x[i]);
  }
}

// dx = dy * f'(v), or added; v is the input or the result. In place as above.
template <class F>
[[gnu::always_inline]] inline void map_back(const Scalar* v, const Scalar* dy, Scalar* dx,
                                            int64_t n, bool add, F f) {
  if (add) {
    for (int64_t i = 0; i < n; ++i) dx[i] += f.back(v[i], dy[i]);
  } else if (dx == dy) {
    for (int64_t i = 0; i < n; ++i) dx[i] = f.back(v[i], dx[i]);
  } else {
    for (int64_t i = 0; i < n; ++i) dx[i] = f.back(v[i], dy[i]);
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
