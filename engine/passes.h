// Rewrites of a graph for inference, each one step that leaves the results as they were. Values
// keep their numbers, so that a rewritten graph can be compared with its original node by node;
// what falls out of use stays behind without memory.
#pragma once

#include <cstddef>
#include <vector>

#include "engine/graph.h"

namespace bonsai {

// Batch norms into the convolution, transposed convolution or fully connected layer that alone
// feeds them, which gets a bias if it had none:
//   w' = w gamma / sqrt(var + eps), b' = beta + (b - mean) gamma / sqrt(var + eps).
// A batch norm without such a producer stays.
Graph fold_batch_norm(Graph graph);

// Removes what does nothing in inference: dropout.
Graph drop_identities(Graph graph);

// Activations into their producer, where it can take one and nobody else reads it.
Graph fuse_activations(Graph graph);

// Selections of some channels into the convolution that alone reads them, which then packs those by
// itself (engine/kernels/conv_sampled.cpp). Selections of as many as there are (shuffles) stay: in
// front of ShuffleNet's depthwise convolutions the whole network took 1 to 3 % longer.
Graph fuse_selections(Graph graph);

// Where each value lies in one arena, so that values whose lifetimes overlap do not.
struct MemoryPlan {
  std::vector<size_t> offsets;  // per value, in scalars, each at 64 bytes; 0 for parameters
  size_t size = 0;              // of the arena, in scalars
};
MemoryPlan plan_memory(const Graph& graph);

// The first and last node at whose run a value must be in memory: the input is there from the
// first node on, the output until the last. Empty (first > last) for parameters and for values
// that nobody makes.
struct Lifetime {
  int first = 0, last = -1;
};
std::vector<Lifetime> lifetimes(const Graph& graph);

}  // namespace bonsai
