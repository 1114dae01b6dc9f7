#pragma once

#include "engine/op.h"
#include "engine/ops.h"
#include "engine/ops/batch_norm.h"

namespace bonsai {

// norm(conv(x)) as one step of a tape, with what goes on behind the norm. Inputs: the
// convolution's, then the norm's other ones. `conv` has these options and no activation.
OpPtr conv_batch_norm(OpPtr conv, const Conv2dOptions& options, const BatchNormOp& norm);

}  // namespace bonsai
