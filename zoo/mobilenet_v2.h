// MobileNet V2: blocks that widen, look at each channel alone, and narrow again without an
// activation, which would lose too much of a narrow map; where shapes allow it they add to their
// input (Sandler et al. 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks",
// arXiv:1801.04381).
//
// The width scales every layer but the last convolution, which stays 1280 for widths below 1; all
// are rounded to multiples of 8, without losing more than a tenth, as in the authors' code. Names
// and initial weights as in torchvision.
#pragma once

#include <memory>

#include "engine/layer.h"
#include "zoo/spec.h"

namespace bonsai::zoo {

// For pictures of 32x32: the first convolution and the row of 24 channels keep the size, which
// leaves a map of 4x4 in the end (chenyaofo's pytorch-cifar-models). The last convolution has
// `last` channels, or more when Spec::width is above 1.
std::unique_ptr<Layer> mobilenet_v2(const Spec& spec, int last = 1280);

// For pictures of 224x224 (table 2).
std::unique_ptr<Layer> mobilenet_v2_224(const Spec& spec);

}  // namespace bonsai::zoo
