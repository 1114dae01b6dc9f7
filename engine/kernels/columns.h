#pragma once

#include <cstdint>

#include "engine/tensor.h"

namespace bonsai {

// y = x, or y += x, for a block of `columns` in matrices whose rows lie x_step and y_step apart.
void copy_columns(const Scalar* x, int64_t x_step, Scalar* y, int64_t y_step, int64_t rows,
                  int columns, bool add);

}  // namespace bonsai
