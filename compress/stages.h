// Places in a network where another one can look in: nodes by name, and the ends of its stages.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/graph.h"

namespace bonsai {

// The result of the node with this name (Graph::node_name). Throws Error with the nearest name and
// `whose` network it is, such as "the teacher".
int value_named(const Graph& graph, const std::string& node, std::string_view whose);

// A stage is a run of layers whose maps have one size; it ends with the last value through which
// all goes that later layers see of the pictures: the sum that ends a residual block, not a value
// inside it. Value numbers, in order of execution. Maps of a single pixel are no stage.
std::vector<int> stage_ends(const Graph& graph);

}  // namespace bonsai
