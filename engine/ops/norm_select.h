#pragma once

#include "engine/ops/batch_norm.h"

namespace bonsai {

// select(norm(x)) as one step of a tape, where `select` is a permutation of channels (a shuffle),
// for the convolution that reads it: with that it is a convolution after a norm, which computes
// what it reads a block of images at a time. Null for another `select`, and a norm that adds.
OpPtr norm_select(const BatchNormOp& norm, const Op& select);

}  // namespace bonsai
