// The point-wise activations as function objects, for loops that compute more than an activation:
//   f(v), and back(v, g) = g f'(v), where v is the input or (relu, relu6, sigmoid) the result.
// Comparisons are written so that a not-a-number passes through (0 > v is false for it) and so that
// each is one vector instruction.
#pragma once

#include <cmath>

#include "engine/kernels/activation.h"

namespace bonsai {

struct Identity {
  Scalar operator()(Scalar v) const { return v; }
  Scalar back(Scalar, Scalar g) const { return g; }
};

struct ReluFunction {
  Scalar operator()(Scalar v) const { return 0 > v ? Scalar{0} : v; }
  Scalar back(Scalar v, Scalar g) const { return v > 0 ? g : 0; }
};

struct Relu6Function {
  Scalar operator()(Scalar v) const {
    const Scalar low = 0 > v ? 0 : v;
    return 6 < low ? 6 : low;
  }
  Scalar back(Scalar v, Scalar g) const { return ((v > 0) & (v < 6)) ? g : 0; }
};

struct LeakyReluFunction {
  Scalar slope;
  Scalar operator()(Scalar v) const { return 0 > v ? slope * v : v; }
  Scalar back(Scalar v, Scalar g) const { return v > 0 ? g : slope * g; }
};

struct SigmoidFunction {
  Scalar operator()(Scalar v) const { return 1 / (1 + std::exp(-v)); }
  Scalar back(Scalar y, Scalar g) const { return g * y * (1 - y); }
};

struct HardSwishFunction {
  Scalar operator()(Scalar v) const { return v * Relu6Function{}(v + 3) / 6; }
  Scalar back(Scalar v, Scalar g) const {
    const Scalar inside = ((v > -3) & (v < 3)) ? v : 0;
    return g * (Relu6Function{}(v + 3) + inside) / 6;
  }
};

// body(function) for the activation's function.
template <class Body>
[[gnu::always_inline]] inline void with_function(const Activation& f, const Body& body) {
  switch (f.kind) {
    case Activation::none:
      return body(Identity{});
    case Activation::relu:
      return body(ReluFunction{});
    case Activation::relu6:
      return body(Relu6Function{});
    case Activation::leaky_relu:
      return body(LeakyReluFunction{f.slope});
    case Activation::sigmoid:
      return body(SigmoidFunction{});
    case Activation::hard_swish:
      return body(HardSwishFunction{});
  }
}

}  // namespace bonsai
