#pragma once

#include "engine/tensor.h"

namespace bonsai {

// y [n] = exp(x - max) / sum, x [n]; returns log(sum(exp(x))), which is finite for any finite x.
double softmax_row(const Scalar* x, int n, Scalar* y);

}  // namespace bonsai
