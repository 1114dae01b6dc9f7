// A graph's structure as text, and back: everything of a model file but the tensors.
#pragma once

#include <string>
#include <unordered_map>

#include "engine/graph.h"

namespace bonsai {

std::string graph_to_json(const Graph& graph);

// Moves the parameters out of `tensors`. Indices, attributes and shapes are checked, and shapes
// are inferred; errors begin with `where`.
Graph graph_from_json(const std::string& text, const std::string& where,
                      std::unordered_map<std::string, Tensor>& tensors);

}  // namespace bonsai
