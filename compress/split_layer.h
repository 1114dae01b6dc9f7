// Replaces a convolution of a graph by two in a row, in the forms of compress/factors.h.
//
// All values keep their numbers, the new one comes last, and the second convolution makes what the
// one that was replaced made: the graph can be compared with its original value by value.
#pragma once

#include "compress/factors.h"
#include "engine/graph.h"

namespace bonsai {

// k x 1, then 1 x k, which takes over the bias. Padding is the same in both directions here, so the
// first makes `padding` columns of zeros at either side, in which the second finds its own padding:
// a (W + 2 padding) / W of the first factor's work, and the same result.
bool can_split_spatially(const Graph& graph, int node);  // conv2d, no groups, stride 1, k > 1
void split_spatially(Graph& graph, int node, Factors factors);

// The same convolution with fewer outputs, then 1 x 1, which takes over the bias.
bool can_split_channels(const Graph& graph, int node);  // conv2d, no groups
void split_channels(Graph& graph, int node, Factors factors);

// The graph of this node alone, with copies of its parameters.
Graph layer_alone(const Graph& graph, int node);

}  // namespace bonsai
