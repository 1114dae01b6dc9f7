// ResNet: blocks that add to their input (He, Zhang, Ren and Sun 2015, "Deep Residual Learning for
// Image Recognition", arXiv:1512.03385). Where a block halves the map or changes the width, the
// shortcut has two forms. Option A has no parameters: it takes every other pixel and appends
// channels of zeros after the others (as fb.resnet.torch does; some programs put half of them in
// front, whose weights do not fit). Option B is a 1x1 convolution with batch norm.
#pragma once

#include <memory>

#include "engine/layer.h"
#include "zoo/spec.h"

namespace bonsai::zoo {

// For pictures of 32x32 (section 4.2): depth 6n + 2, three stages of n blocks of 16, 32 and 64
// channels. Weights are drawn by fan in. The paper's figures for CIFAR-10 are of option A.
std::unique_ptr<Layer> resnet_a(const Spec& spec, int depth);
std::unique_ptr<Layer> resnet_b(const Spec& spec, int depth);

// Which convolution of a bottleneck halves the map: the first 1x1, as in the paper, or the 3x3, as
// in fb.resnet.torch and torchvision, which call that v1.5. Parameters are the same.
enum class Halving { pointwise, spatial };

// For pictures of 224x224 (table 1): depth 18 or 34 of two 3x3 convolutions a block, or 50 of
// 1x1, 3x3, 1x1; option B, names and initial weights as in torchvision.
std::unique_ptr<Layer> resnet_224(const Spec& spec, int depth,
                                  Halving halving = Halving::pointwise);

// The same for pictures of 32x32, which are halved three times: the first convolution is 3x3, and
// no pooling follows; the stride is on the 3x3 (kuangliu's pytorch-cifar).
std::unique_ptr<Layer> resnet_kuangliu(const Spec& spec, int depth);

}  // namespace bonsai::zoo
