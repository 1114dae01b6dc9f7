// ShuffleNet V2: half of the channels pass a unit untouched, the other half goes through three
// convolutions of equal width, and a shuffle mixes both; no groups and no additions, which cost
// time that multiply-accumulates do not show (Ma, Zhang, Zheng and Sun 2018, "ShuffleNet V2:
// Practical Guidelines for Efficient CNN Architecture Design", arXiv:1807.11164).
//
// Widths 0.5, 1, 1.5 and 2 are the columns of the paper's table 5. Any other one scales the column
// of 1, stages rounded to even numbers. Names as in torchvision; initial weights are PyTorch's.
#pragma once

#include <memory>

#include "engine/layer.h"
#include "zoo/spec.h"

namespace bonsai::zoo {

// For pictures of 32x32: the first convolution keeps the size and there is no pooling after it,
// which leaves a map of 4x4 in the end (chenyaofo's pytorch-cifar-models).
std::unique_ptr<Layer> shufflenet_v2(const Spec& spec);

// For pictures of 224x224 (table 5).
std::unique_ptr<Layer> shufflenet_v2_224(const Spec& spec);

}  // namespace bonsai::zoo
