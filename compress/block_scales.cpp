#include "compress/block_scales.h"

#include <algorithm>
#include <string_view>

#include "compress/blocks.h"
#include "compress/explicit_scales.h"
#include "engine/error.h"

namespace bonsai {
namespace {

// The node that makes f(x), or none.
const Node* branch_end(const Graph& graph, const Block& block) {
  const Node& sum = graph.nodes[static_cast<size_t>(block.node)];
  const int branch = sum.in[sum.in[0] == block.kept ? 1 : 0];
  const auto maker = std::find_if(graph.nodes.begin(), graph.nodes.end(),
                                  [&](const Node& node) { return node.out == branch; });
  return maker == graph.nodes.end() ? nullptr : &*maker;
}

bool is_layer(const Node& node) {
  const std::string_view name = node.op->name();
  return name == "conv2d" || name == "linear" || name == "batch_norm";
}

}  // namespace

Graph with_block_scales(const Graph& graph) {
  std::vector<std::string> ends;
  for (const Block& block : removable_blocks(graph)) {
    const Node* end = branch_end(graph, block);
    if (end != nullptr && is_layer(*end))
      ends.push_back(graph.node_name(static_cast<size_t>(end - graph.nodes.data())));
  }
  require(!ends.empty(), "block scales: the network has no residual block that could go");
  return with_scales_behind(graph, ends);
}

std::vector<Structure> block_scales(Graph& graph) {
  std::vector<Structure> scales;
  for (const Block& block : removable_blocks(graph)) {
    const Node* end = branch_end(graph, block);
    if (end == nullptr || end->op->name() != "channel_scale") continue;
    Parameter* factor = graph.values[static_cast<size_t>(end->in[1])].parameter.get();
    if (factor == nullptr) continue;
    scales.push_back(
        {.name = block.name, .numbers = factor, .first = 0, .shared = factor->value.size()});
  }
  return scales;
}

Graph without_blocks(const Graph& graph, const std::vector<std::string>& blocks) {
  Graph shorter = graph;
  for (const std::string& block : blocks) shorter = without_block(shorter, block);
  return fold_scales(std::move(shorter));
}

}  // namespace bonsai
