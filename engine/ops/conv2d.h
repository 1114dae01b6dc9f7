#pragma once

#include <optional>

#include "engine/op.h"
#include "engine/ops.h"

namespace bonsai {

// The options of a conv2d of all channels that computes nothing else; none for another operation.
std::optional<Conv2dOptions> plain_conv2d(const Op& op);

OpPtr make_conv2d(const Conv2dOptions& options);

}  // namespace bonsai
