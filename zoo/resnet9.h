// ResNet-9: a short residual network that learns CIFAR-10 in a few epochs (David Page 2018, "How to
// Train Your ResNet"; the network of its DAWNBench entry, 94 % in 24 epochs of one-cycle training).
#pragma once

#include <memory>

#include "engine/layer.h"
#include "zoo/spec.h"

namespace bonsai::zoo {

// For pictures of 32x32: convolutions of 64, 128, 256 and 512 channels, each but the first followed
// by a halving, and a residual pair after the second and the fourth. The classifier has no bias,
// and the logits are divided by 8. Initial weights are PyTorch's.
std::unique_ptr<Layer> resnet9(const Spec& spec);

}  // namespace bonsai::zoo
