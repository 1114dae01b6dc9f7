#pragma once

#include "engine/op.h"
#include "engine/ops/batch_norm.h"

namespace bonsai {

// conv(norm(x)) as one step of a tape, the activation between them included; null when there is no
// such step: for another operation than a convolution without activation, or a norm that adds.
// Inputs: the norm's, then the convolution's other ones.
OpPtr norm_conv(const BatchNormOp& norm, const Op& conv);

}  // namespace bonsai
