// Whole residual blocks: y = x + f(x) becomes y = x. Narrower layers leave every layer's fixed cost
// where it is; without a block that goes as well. Huang and Wang 2018, "Data-Driven Sparse
// Structure Selection for Deep Neural Networks", arXiv:1707.01213, learn which blocks may go; here
// they are removed and measured.
#pragma once

#include <string>
#include <vector>

#include "engine/graph.h"

namespace bonsai {

struct Block {
  std::string name;  // "block layer1.1.conv2", after the last layer of f that has parameters
  int node = 0;      // the addition
  int kept = 0;      // the value x
};

// In order of execution. A block whose shortcut is no identity (a projection, padding) cannot go:
// its result has another shape than x.
std::vector<Block> removable_blocks(const Graph& graph);

// A copy; what only f needed is gone, so that nodes and values are numbered anew.
Graph without_block(const Graph& graph, const Block& block);
// By name. Throws Error, with the nearest name, when there is none.
Graph without_block(const Graph& graph, const std::string& name);

}  // namespace bonsai
