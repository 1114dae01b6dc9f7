#include "compress/blocks.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/nearest.h"

namespace bonsai {
namespace {

// Per value: whether it is computed from `source`, or is it.
std::vector<bool> computed_from(const Graph& graph, int source) {
  std::vector<bool> from(graph.values.size(), false);
  from[static_cast<size_t>(source)] = true;
  for (const Node& node : graph.nodes)
    if (std::any_of(node.in.begin(), node.in.end(),
                    [&](int v) { return from[static_cast<size_t>(v)]; }))
      from[static_cast<size_t>(node.out)] = true;
  return from;
}

bool has_parameters(const Graph& graph, const Node& node) {
  return std::any_of(node.in.begin(), node.in.end(), [&](int v) {
    return graph.values[static_cast<size_t>(v)].parameter != nullptr;
  });
}

// Per value: whether `result` is computed from it, or is it.
std::vector<bool> leading_to(const Graph& graph, int result) {
  std::vector<bool> leads(graph.values.size(), false);
  leads[static_cast<size_t>(result)] = true;
  for (size_t n = graph.nodes.size(); n-- > 0;) {
    const Node& node = graph.nodes[n];
    if (!leads[static_cast<size_t>(node.out)]) continue;
    for (const int v : node.in) leads[static_cast<size_t>(v)] = true;
  }
  return leads;
}

// The last layer between x and the branch's result; a batch norm belongs to the layer before it,
// and so do factors (compress/block_scales.h).
std::string last_layer(const Graph& graph, int x, int result) {
  const std::vector<bool> from = computed_from(graph, x), to = leading_to(graph, result);
  std::string name;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    const auto out = static_cast<size_t>(node.out);
    if (node.out != x && from[out] && to[out] && has_parameters(graph, node) &&
        node.op->name() != "batch_norm" && node.op->name() != "channel_scale")
      name = graph.node_name(n);
  }
  return name;
}

}  // namespace

std::vector<Block> removable_blocks(const Graph& graph) {
  std::vector<Block> blocks;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    if (node.op->name() != "add" || node.in[0] == node.in[1]) continue;
    for (const size_t side : {size_t{0}, size_t{1}}) {
      const int x = node.in[side], branch = node.in[1 - side];
      if (graph.values[static_cast<size_t>(x)].parameter) continue;
      if (!computed_from(graph, x)[static_cast<size_t>(branch)]) continue;
      const std::string layer = last_layer(graph, x, branch);
      if (layer.empty()) continue;
      blocks.push_back({.name = "block " + layer, .node = static_cast<int>(n), .kept = x});
    }
  }
  return blocks;
}

Graph without_block(const Graph& graph, const Block& block) {
  Graph shorter = graph;
  const int sum = shorter.nodes[static_cast<size_t>(block.node)].out;
  for (Node& node : shorter.nodes) std::replace(node.in.begin(), node.in.end(), sum, block.kept);
  if (shorter.output == sum) shorter.output = block.kept;
  drop_unused(shorter);
  shorter.infer_shapes(shorter.input_shape());
  return shorter;
}

Graph without_block(const Graph& graph, const std::string& name) {
  std::vector<std::string> names;
  for (const Block& block : removable_blocks(graph)) {
    if (block.name == name) return without_block(graph, block);
    names.push_back(block.name);
  }
  throw Error(join("no residual block is named '", name, "'", suggestion(name, names)));
}

}  // namespace bonsai
