// Factors for the channels that no batch norm scales, so that networks without batch norm can be
// slimmed as well: a channel_scale, 1 at first, right behind the convolution or linear layer that
// makes the channels (Huang and Wang 2018, "Data-Driven Sparse Structure Selection",
// arXiv:1707.01213, section 3.2, "neurons"). There, before the activation, it can be folded away
// exactly: w' = s w, b' = s b.
#pragma once

#include "engine/graph.h"

namespace bonsai {

// The same function, with a factor "<layer>.scale" [C] behind each producer of a group (couple.h)
// whose channels no batch norm scales. Transposed convolutions stay without.
Graph with_scales(const Graph& graph);

// The same function without those factors, and any other that is a parameter and that alone reads
// a convolution or linear layer of its own.
Graph fold_scales(Graph graph);

}  // namespace bonsai
