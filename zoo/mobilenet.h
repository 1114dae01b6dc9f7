// MobileNet: every 3x3 convolution is cut in two, a depthwise one that looks at each channel alone
// and a 1x1 one that mixes channels (Howard et al. 2017, "MobileNets: Efficient Convolutional
// Neural Networks for Mobile Vision Applications", arXiv:1704.04861). For C channels that is
// 1/C + 1/9 of the multiply-accumulates.
//
// The width is the paper's alpha: of C channels max(floor(alpha C), 8) stay, as in its authors'
// code, so that no width is too small. Activations are the paper's ReLU; initial weights are
// PyTorch's.
#pragma once

#include <memory>

#include "engine/layer.h"
#include "zoo/spec.h"

namespace bonsai::zoo {

// For pictures of 32x32: the first convolution keeps the size, which leaves a map of 2x2 in the
// end (kuangliu's pytorch-cifar, whose weights fit by name).
std::unique_ptr<Layer> mobilenet(const Spec& spec);

// For pictures of 224x224 (table 1), with the last depthwise convolution at stride 1: the table
// says 2, yet states that the map stays 7x7.
std::unique_ptr<Layer> mobilenet_224(const Spec& spec);

}  // namespace bonsai::zoo
