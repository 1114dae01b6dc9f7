// Pooling over square windows of [N, H, W, C] maps, vectorised over channels. The way back gathers:
// each input element collects from the windows that hold it, so that every element is written
// once, by one thread, whether windows overlap or leave gaps.
#pragma once

#include <cstdint>

#include "engine/tensor.h"

namespace bonsai {

struct PoolShape {
  int n, h, w, channels;  // the input
  int out_h, out_w;
  int kernel, stride, padding;
};

// position: where in its window (row by row, the first of equals) each maximum was found; null
// when nobody will ask. A not-a-number wins over numbers.
void max_pool_forward(const PoolShape& shape, const Scalar* x, Scalar* y, Scalar* position);
void max_pool_backward(const PoolShape& shape, const Scalar* dy, const Scalar* position, Scalar* dx,
                       bool add);

// The mean over kernel^2 elements, of which those in the padding are zero.
void average_pool_forward(const PoolShape& shape, const Scalar* x, Scalar* y);
void average_pool_backward(const PoolShape& shape, const Scalar* dy, Scalar* dx, bool add);

}  // namespace bonsai
