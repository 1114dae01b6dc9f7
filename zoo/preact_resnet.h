// Pre-activation ResNet: batch norm and ReLU before each convolution, so that nothing stands on
// the path from sum to sum (He, Zhang, Ren and Sun 2016, "Identity Mappings in Deep Residual
// Networks", arXiv:1603.05027).
#pragma once

#include <memory>

#include "engine/layer.h"
#include "zoo/spec.h"

namespace bonsai::zoo {

// For pictures of 32x32 (appendix): depth 9n + 2, three stages of n bottlenecks, which are 16, 32
// and 64 channels wide within and 64, 128 and 256 outside. As in the authors' program, the block
// that opens a stage shares its first batch norm with the shortcut, a bare 1x1 convolution, and
// the stride is on the first 1x1. Weights are drawn by fan out.
std::unique_ptr<Layer> preact_resnet(const Spec& spec, int depth);

}  // namespace bonsai::zoo
