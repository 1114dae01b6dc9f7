// Factors of channels that a training can drive to zero, as nodes of their own: a channel_scale, 1
// at first, behind the layer that makes the channels (Huang and Wang 2018, "Data-Driven Sparse
// Structure Selection", arXiv:1707.01213, section 3.2). They are folded away exactly into what
// makes the channels (w' = s w, b' = s b; gamma' = s gamma, beta' = s beta) or, behind an
// activation, into the weights that read them. Any layer makes or reads channels so: linear ones,
// convolutions, whether grouped, depthwise or transposed.
#pragma once

#include <string>
#include <vector>

#include "engine/graph.h"

namespace bonsai {

// The same function, with a factor "<layer>.scale" [C] behind each producer of a group (couple.h)
// whose channels no batch norm scales.
Graph with_scales(const Graph& graph);

// Likewise behind the named nodes (Graph::node_name), whatever they are. Throws Error, with the
// nearest name, when there is no such node, and when the factors could not be folded away again.
Graph with_scales_behind(const Graph& graph, const std::vector<std::string>& nodes);

// The same function without those factors, and any other [C] that is a parameter and can be folded
// into parameters that nothing else reads.
Graph fold_scales(Graph graph);

}  // namespace bonsai
