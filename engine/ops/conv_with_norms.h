#pragma once

#include "engine/op.h"
#include "engine/ops/batch_norm.h"
#include "engine/ops/permutation.h"

namespace bonsai {

// A convolution and the batch norms around it, their additions and activations included, as one
// step of a tape. Inputs: x, the other ones of the norm before, the convolution's w and perhaps b,
// the other ones of the norm behind. Null for a `conv` that is not a conv2d alone.

// As a step that gives the moments of its result, and takes norms. Its groups may be interleaved
// (ConvShape), which leaves unread no channel of x: of another x the result has no shape.
OpPtr conv_alone(const Op& conv, bool interleaved = false);
// After a norm without an addition, all of whose channels the convolution reads in this order: of
// an x with others the result has no shape.
OpPtr conv_after_norm(const BatchNormOp& norm, const Op& conv, const Permutation& order = {});

}  // namespace bonsai
