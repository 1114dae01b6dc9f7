// A network of the same shapes that has learned nothing: what a pruned network is compared with
// when one asks whether its weights were worth keeping, or only its widths (Liu et al. 2019,
// "Rethinking the Value of Network Pruning", arXiv:1810.05270).
#pragma once

#include <cstdint>

#include "engine/graph.h"

namespace bonsai {

// Draws all weights, in order of execution: of convolutions by Kaiming's rule for ReLU, of fully
// connected layers and all biases as layers/basic.h does (both layers/init.h); batch norms become
// the identity. Throws Error, naming the node, when an operation with
// parameters is none of those.
void draw_fresh_weights(Graph& graph, uint64_t seed);

}  // namespace bonsai
