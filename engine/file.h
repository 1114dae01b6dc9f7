// The model file: a graph's parameters as named tensors, and its nodes, input, output and what
// its user must know as texts. A loaded graph needs nothing of the code that built it.
//   metadata: format "bonsai", format_version "1", layout, graph, network, classes, mean, std
//   graph:    {"input": [1, 32, 32, 3], "nodes": [{"op": "conv2d", "in": [0, "conv1.weight"],
//              "out": 1, "attributes": {"stride": 1, ...}}, ...], "output": 1, "buffers": [...]}
// In `in` a text is a tensor and a number a result: 0 is the input, i + 1 what node i makes, so
// that a cycle or a second producer cannot be written down.
#pragma once

#include <string>

#include "engine/graph.h"
#include "engine/tensor_file.h"

namespace bonsai {

void save(const std::string& path, const Graph& graph);
Graph load(const std::string& path);
Graph load(std::istream& in, uint64_t size, const std::string& name);

// The same into and out of a file that holds more than a graph, such as a checkpoint. Taking
// removes the graph's tensors and texts from the content.
void put_graph(TensorFile& content, const Graph& graph);
Graph take_graph(TensorFile& content);

}  // namespace bonsai
