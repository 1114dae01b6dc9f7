#include "compress/stages.h"

#include <algorithm>
#include <map>
#include <utility>

#include "engine/error.h"
#include "engine/nearest.h"

namespace bonsai {
namespace {

// Per node: whether no value made before its own is read after it.
std::vector<bool> narrow_places(const Graph& graph) {
  const std::vector<std::vector<int>> readers = consumers(graph);
  std::vector<bool> narrow;
  int last_read = -1;  // of all values made so far, before this node's
  const auto see = [&](int value) {
    for (const int node : readers[static_cast<size_t>(value)])
      last_read = std::max(last_read, node);
  };
  see(graph.input);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    narrow.push_back(last_read <= static_cast<int>(n));
    see(graph.nodes[n].out);
  }
  return narrow;
}

}  // namespace

int value_named(const Graph& graph, const std::string& node, std::string_view whose) {
  std::vector<std::string> names;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    names.push_back(graph.node_name(n));
    if (names.back() == node) return graph.nodes[n].out;
  }
  throw Error(join(whose, " has no layer '", node, "'", suggestion(node, names)));
}

std::vector<int> stage_ends(const Graph& graph) {
  const std::vector<bool> narrow = narrow_places(graph);
  std::vector<int> ends;
  std::pair<int, int> size;  // of the maps of the stage
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const int value = graph.nodes[n].out;
    const Shape& shape = graph.values[static_cast<size_t>(value)].shape;
    if (!narrow[n] || shape.size() != 4 || shape[1] * shape[2] <= 1) continue;
    const std::pair here(shape[1], shape[2]);
    if (here == size) {
      ends.back() = value;
    } else {
      ends.push_back(value);
      size = here;
    }
  }
  return ends;
}

}  // namespace bonsai
