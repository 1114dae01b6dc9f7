// The last touch on freshly computed rows, while they are still in cache.
#pragma once

#include <cstdint>

#include "engine/kernels/activation.h"
#include "engine/tensor.h"

namespace bonsai {

// y [rows, channels] = f(y + b), rows `stride` apart; b may be null.
void finish_rows(Scalar* y, int64_t rows, int channels, int64_t stride, const Scalar* b,
                 const Activation& f);

// sums[c] (+)= sum over rows of y [rows, channels]; the order of additions depends on the sizes
// alone.
void sum_rows(const Scalar* y, int64_t rows, int channels, Scalar* sums, bool add);

// y[i] += the parts [parts, n] in order; with add false, y[i] = their sum.
void add_parts(const Scalar* parts, int count, int64_t n, Scalar* y, bool add);

}  // namespace bonsai
