// DenseNet: every layer of a block reads the results of all before it, side by side, and adds a few
// channels of its own (Huang, Liu, van der Maaten and Weinberger 2016, "Densely Connected
// Convolutional Networks", arXiv:1608.06993). Batch norm and ReLU stand before each convolution.
// Between blocks a 1x1 convolution and a halving. Names as in torchvision.
#pragma once

#include <memory>

#include "engine/layer.h"
#include "zoo/spec.h"

namespace bonsai::zoo {

// For pictures of 32x32 (section 4): depth 3n + 4, three blocks of n layers, each of which adds
// `growth` channels to those of the first convolution, the paper's 16; the authors' program has
// twice the growth. Spec::width multiplies both numbers. Weights are drawn by fan out. The dropout
// of training without augmentation is left out.
std::unique_ptr<Layer> densenet(const Spec& spec, int depth, int growth, int first = 16);

// DenseNet-BC: depth 6n + 4. Before each 3x3 convolution a 1x1 narrows to 4 growth channels, the
// 1x1 between blocks keeps half, and the first convolution has 2 growth channels.
std::unique_ptr<Layer> densenet_bc(const Spec& spec, int depth, int growth);

// For pictures of 224x224 (table 1): DenseNet-BC of depth 121, 169 or 201 with growth 32, or 161
// with growth 48; weights are drawn by fan in, as in torchvision.
std::unique_ptr<Layer> densenet_224(const Spec& spec, int depth);

}  // namespace bonsai::zoo
