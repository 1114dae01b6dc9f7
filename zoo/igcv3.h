// IGCV3: MobileNetV2 with both 1x1 convolutions of a block in two groups, and twice as deep for the
// same cost (Sun, Li, Liu and Wang 2018, "IGCV3: Interleaved Low-Rank Group Convolutions for
// Efficient Deep Neural Networks", arXiv:1806.00178). A block widens six times, shuffles, and reads
// each channel by a 3x3 filter of its own before it narrows again; only the 3x3 is followed by a
// ReLU6.
#pragma once

#include <memory>

#include "engine/layer.h"
#include "zoo/spec.h"

namespace bonsai::zoo {

// What follows the last convolution of a block: the paper's second permutation, which undoes what
// the first did to the groups, or nothing, as in the authors' released model.
enum class Permutations { both, released };

// IGCV3-D for pictures of 32x32: the map is halved three times in all. Widths are rounded, then up
// to an even number; the last convolution has `last` channels, or more when Spec::width is above 1.
// Weights are drawn by fan in.
std::unique_ptr<Layer> igcv3(const Spec& spec, int last = 1280,
                             Permutations permutations = Permutations::both);

// IGCV3-D for pictures of 224x224: the map is halved five times.
std::unique_ptr<Layer> igcv3_224(const Spec& spec, Permutations permutations = Permutations::both);

}  // namespace bonsai::zoo
