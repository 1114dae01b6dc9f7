// y[r][c] = x[r][index[c]]: channels in another order, some of them perhaps left out or repeated.
#pragma once

#include <cstdint>
#include <span>

#include "engine/tensor.h"

namespace bonsai {

// y [rows, index.size()], or y plus, from x [rows, channels].
void gather_columns(const Scalar* x, int64_t rows, int channels, std::span<const int> index,
                    Scalar* y, bool add);

}  // namespace bonsai
