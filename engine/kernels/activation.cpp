// The loops behind engine/kernels/activation.h. Comparisons are written so that a not-a-number
// passes through (0 > x is false for it) and so that each is one vector instruction.
#include "engine/kernels/activation.h"

#include <array>
#include <cmath>

#include "engine/error.h"
#include "engine/simd.h"

namespace bonsai {
namespace {

constexpr std::array<std::string_view, 6> names = {"none",       "relu",    "relu6",
                                                   "leaky_relu", "sigmoid", "hard_swish"};

inline Scalar clamp6(Scalar x) {
  const Scalar low = 0 > x ? 0 : x;
  return 6 < low ? 6 : low;
}

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

// dx = dy * f'(v), or added; v is the input or the output.
template <class F>
[[gnu::always_inline]] inline void map_back(const Scalar* v, const Scalar* dy, Scalar* dx,
                                            int64_t n, bool add, F derivative) {
  if (add) {
    for (int64_t i = 0; i < n; ++i) dx[i] += derivative(v[i], dy[i]);
  } else {
    for (int64_t i = 0; i < n; ++i) dx[i] = derivative(v[i], dy[i]);
  }
}

BONSAI_SIMD void relu(const Scalar* x, Scalar* y, int64_t n) {
  map(x, y, n, [](Scalar v) { return 0 > v ? Scalar{0} : v; });
}

BONSAI_SIMD void relu6(const Scalar* x, Scalar* y, int64_t n) { map(x, y, n, clamp6); }

BONSAI_SIMD void leaky_relu(const Scalar* x, Scalar* y, int64_t n, Scalar slope) {
  map(x, y, n, [slope](Scalar v) { return 0 > v ? slope * v : v; });
}

void sigmoid(const Scalar* x, Scalar* y, int64_t n) {
  map(x, y, n, [](Scalar v) { return 1 / (1 + std::exp(-v)); });
}

BONSAI_SIMD void hard_swish(const Scalar* x, Scalar* y, int64_t n) {
  map(x, y, n, [](Scalar v) { return v * clamp6(v + 3) / 6; });
}

BONSAI_SIMD void relu_back(const Scalar* y, const Scalar* dy, Scalar* dx, int64_t n, bool add) {
  map_back(y, dy, dx, n, add, [](Scalar v, Scalar g) { return v > 0 ? g : 0; });
}

BONSAI_SIMD void relu6_back(const Scalar* y, const Scalar* dy, Scalar* dx, int64_t n, bool add) {
  map_back(y, dy, dx, n, add, [](Scalar v, Scalar g) { return (v > 0) & (v < 6) ? g : 0; });
}

BONSAI_SIMD void leaky_relu_back(const Scalar* x, const Scalar* dy, Scalar* dx, int64_t n, bool add,
                                 Scalar slope) {
  map_back(x, dy, dx, n, add, [slope](Scalar v, Scalar g) { return v > 0 ? g : slope * g; });
}

BONSAI_SIMD void sigmoid_back(const Scalar* y, const Scalar* dy, Scalar* dx, int64_t n, bool add) {
  map_back(y, dy, dx, n, add, [](Scalar v, Scalar g) { return g * v * (1 - v); });
}

BONSAI_SIMD void hard_swish_back(const Scalar* x, const Scalar* dy, Scalar* dx, int64_t n,
                                 bool add) {
  map_back(x, dy, dx, n, add, [](Scalar v, Scalar g) {
    const Scalar inside = (v > -3) & (v < 3) ? v : 0;
    return g * (clamp6(v + 3) + inside) / 6;
  });
}

void add_or_copy(const Scalar* dy, Scalar* dx, int64_t n, bool add) {
  map_back(dy, dy, dx, n, add, [](Scalar, Scalar g) { return g; });
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
  switch (f.kind) {
    case Activation::none:
      if (x != y) add_or_copy(x, y, n, false);
      return;
    case Activation::relu:
      return relu(x, y, n);
    case Activation::relu6:
      return relu6(x, y, n);
    case Activation::leaky_relu:
      return leaky_relu(x, y, n, f.slope);
    case Activation::sigmoid:
      return sigmoid(x, y, n);
    case Activation::hard_swish:
      return hard_swish(x, y, n);
  }
}

bool follows_from_result(Activation::Kind kind) {
  return kind == Activation::none || kind == Activation::relu || kind == Activation::relu6 ||
         kind == Activation::sigmoid;
}

bool follows_from_input(Activation::Kind kind) { return kind != Activation::sigmoid; }

void activate_backward(const Activation& f, const Scalar* x, const Scalar* y, const Scalar* dy,
                       Scalar* dx, int64_t n, bool add) {
  switch (f.kind) {
    case Activation::none:
      return add_or_copy(dy, dx, n, add);
    case Activation::relu:
      return relu_back(y, dy, dx, n, add);
    case Activation::relu6:
      return relu6_back(y, dy, dx, n, add);
    case Activation::leaky_relu:
      return leaky_relu_back(x, dy, dx, n, add, f.slope);
    case Activation::sigmoid:
      return sigmoid_back(y, dy, dx, n, add);
    case Activation::hard_swish:
      return hard_swish_back(x, dy, dx, n, add);
  }
}

}  // namespace bonsai
