// A plan of convolutions as text: {"format": "bonsai plan 1", "choices": [...]}, a line per choice:
//   {"table": "forward", "input": [128, 32, 32, 16], "output": [128, 32, 32, 16], "kernel": [3, 3],
//    "stride": 1, "padding": 1, "dilation": 1, "groups": 1, "row": "winograd"}
#pragma once

#include <string>
#include <string_view>

#include "engine/kernels/conv_plan.h"

namespace bonsai {

std::string to_json(const ConvPlan& plan);

// Throws Error, beginning with `where`, when the text is no such list, and when a row is unknown or
// does not fit its convolution on this processor.
ConvPlan parse_conv_plan(std::string_view text, const std::string& where);

}  // namespace bonsai
