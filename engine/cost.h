// What a graph costs to keep and to run, counted from its shapes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/graph.h"

namespace bonsai {

struct Cost {
  int64_t params = 0;            // trainable numbers (running statistics not counted)
  int64_t macs = 0;              // per image, convolutions and fully connected layers
  int64_t activation_bytes = 0;  // the node's output, per image, in single precision
};
std::vector<Cost> costs(const Graph& graph);  // per node; a shared parameter: at its first reader
Cost total_cost(const Graph& graph);          // activation_bytes: the sum over nodes

// A table for people: node, operation, output shape, parameters, multiply-accumulates.
std::string print(const Graph& graph);

}  // namespace bonsai
