// Interleaved group convolutions (Zhang, Qi, Xiao and Wang 2017, "Interleaved Group Convolutions
// for Deep Neural Networks", arXiv:1707.02725). A block is a 3x3 convolution in L groups of M
// channels, then a 1x1 convolution in M groups of L channels, each of which reads one channel of
// every primary group; channels are dealt out before and put back after it. Together the two mix
// all G = L M channels with G^2 (9 / L + 1 / M) weights, where a regular convolution has 9 G^2: for
// the same cost it is wider. L = 1 is a regular convolution, M = 1 a depthwise separable one.
#pragma once

#include <memory>

#include "engine/layer.h"
#include "zoo/spec.h"

namespace bonsai::zoo {

// For pictures of 32x32: depth 3n + 2, three stages of n blocks with M, 2M and 4M
// channels in each of L primary groups. Spec::width multiplies L. Weights are drawn by fan in.
std::unique_ptr<Layer> igc(const Spec& spec, int depth, int L, int M);

// How many secondary groups a block has that widens from M to 2M channels in a primary group. The
// paper has 2M, so that the second permutation undoes the first. The authors' released program has
// M, of 2L channels each.
enum class Secondary { exact, released };

// The same with a residual connection around every two blocks ("+Ident."): depth 6n + 2. Where a
// stage opens, the shortcut is a 1x1 convolution in L groups with batch norm.
std::unique_ptr<Layer> igc_residual(const Spec& spec, int depth, int L, int M,
                                    Secondary secondary = Secondary::exact);

// What doubles from stage to stage: the channels in a primary group, or the primary groups.
enum class Doubling { channels, groups };

// For pictures of 224x224, as ResNet-18: four stages of two residual blocks, the first of which has
// L groups of M channels. The first convolution is as wide as that, or where groups double, L wide:
// then M is 2, and each stage opens with a shortcut that doubles the width.
std::unique_ptr<Layer> igc_224(const Spec& spec, int L, int M,
                               Doubling doubling = Doubling::channels);

}  // namespace bonsai::zoo
