#pragma once

#include "engine/ops/batch_norm.h"

namespace bonsai {

// pool(norm(x)) as one step of a tape, for max_pool and average_pool, which computes what is pooled
// a few images at a time. Null for another operation, and a norm that adds.
OpPtr norm_pool(const BatchNormOp& norm, const Op& pool);

}  // namespace bonsai
