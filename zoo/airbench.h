// The networks of airbench, made to reach an accuracy on CIFAR-10 in the least time (Jordan 2024,
// "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", arXiv:2404.00498).
#pragma once

#include <memory>

#include "engine/layer.h"
#include "zoo/spec.h"

namespace bonsai::zoo {

// For pictures of 32x32: 2x2 filters to 24 channels without padding, meant to be whitened
// (layers/whiten.h), then three groups of 3x3 convolution, halving, batch norm, activation, 3x3
// convolution, batch norm, activation, with 64 channels in the first group and `wide` in the
// others; a maximum over the last map and a classifier without bias whose result is divided by 9.
// The factors of batch norm are not trained; filter i of a 3x3 convolution begins as the identity
// of channel i, as far as there are channels.
// Unlike the paper's: hard swish in place of GELU, with all factors of batch norm 1.702, which
// makes it x clip(1.702 x / 6 + 1/2, 0, 1) but for scale; no bias after the whitening.
std::unique_ptr<Layer> airbench(const Spec& spec, int wide);

}  // namespace bonsai::zoo
