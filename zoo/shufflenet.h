// ShuffleNet: 1x1 convolutions are most of a small network's work, so they are cut into g groups,
// and a shuffle between them lets every group read from all (Zhang, Zhou, Lin and Sun 2017,
// "ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices",
// arXiv:1707.01083).
//
// The width is the paper's scale factor s. As published for 0.25x to 2x: stages are rounded to
// multiples of 4 g and the first convolution to multiples of g, so that groups divide them, and
// the first convolution of 1.5x has 24 channels as that of 1x. Initial weights are PyTorch's.
#pragma once

#include <memory>

#include "engine/layer.h"
#include "zoo/spec.h"

namespace bonsai::zoo {

// For pictures of 32x32, which the paper does not have: the first convolution keeps the size and
// there is no pooling after it, which leaves a map of 4x4 in the end. groups: 1, 2, 3, 4 or 8.
std::unique_ptr<Layer> shufflenet(const Spec& spec, int groups);

// For pictures of 224x224 (table 1).
std::unique_ptr<Layer> shufflenet_224(const Spec& spec, int groups);

}  // namespace bonsai::zoo
