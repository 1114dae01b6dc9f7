// Sums of squares, in double precision and in an order that no processor changes.
#pragma once

#include <cstdint>

#include "engine/tensor.h"

namespace bonsai {

double sum_squares(const Scalar* x, int64_t n);

}  // namespace bonsai
