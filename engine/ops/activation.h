#pragma once

#include "engine/kernels/activation.h"
#include "engine/op.h"

namespace bonsai {

// What an activation op computes; null when the op is something else.
const Activation* as_activation(const Op& op);

}  // namespace bonsai
