// The point-wise activations: one kernel that activation ops, fused ops and sessions share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/tensor.h"

namespace bonsai {

struct Activation {
  enum Kind { none, relu, relu6, leaky_relu, sigmoid, hard_swish };
  Kind kind = none;
  float slope = 0;  // leaky_relu: of the negative side
};

std::string_view activation_name(Activation::Kind kind);  // "relu"
Activation::Kind activation_kind(std::string_view name);  // throws Error on an unknown name

// y[i] = f(x[i]); y may be x. One thread: callers cut the range.
void activate(const Activation& f, const Scalar* x, Scalar* y, int64_t n);

// dx[i] = dy[i] f'(x[i]), or added to dx; stored, dx may be dy. Only one of the input x and the
// result y is looked at, as the following say; relu and relu6 take either for it.
bool follows_from_result(Activation::Kind kind);  // relu, relu6, sigmoid; none needs neither
bool follows_from_input(Activation::Kind kind);   // all but sigmoid
void activate_backward(const Activation& f, const Scalar* x, const Scalar* y, const Scalar* dy,
                       Scalar* dx, int64_t n, bool add);

}  // namespace bonsai
