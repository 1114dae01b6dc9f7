#include "compress/explicit_scales.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "compress/couple.h"
#include "engine/ops/registry.h"

namespace bonsai {
namespace {

bool can_fold(const Node& node) {
  return node.op->name() == "conv2d" || node.op->name() == "linear";
}

// Values that batch norms read their factors from.
std::set<int> norm_factors(const Graph& graph) {
  std::set<int> values;
  for (const Node& node : graph.nodes) {
    if (node.op->name() == "batch_norm") values.insert(node.in[1]);
  }
  return values;
}

// Nodes behind which a factor is wanted.
std::set<int> unscaled_producers(const Graph& graph) {
  const Coupling coupling = couple(graph);
  const std::set<int> factors = norm_factors(graph);
  std::set<int> nodes;
  for (const Group& group : coupling.groups) {
    const auto is_scaled = [&](int u) {
      const std::vector<Channel>& channels = coupling.units[static_cast<size_t>(u)].channels;
      return std::any_of(channels.begin(), channels.end(), [&](const Channel& channel) {
        return factors.count(channel.axis.value) != 0;
      });
    };
    if (std::any_of(group.units.begin(), group.units.end(), is_scaled)) continue;
    for (const int p : group.producers) {
      const int node = coupling.producers[static_cast<size_t>(p)].node;
      if (can_fold(graph.nodes[static_cast<size_t>(node)])) nodes.insert(node);
    }
  }
  return nodes;
}

int add_value(Graph& graph, Shape shape, std::unique_ptr<Parameter> parameter) {
  graph.values.push_back({.shape = std::move(shape), .parameter = std::move(parameter)});
  return static_cast<int>(graph.values.size()) - 1;
}

// The node's weights, and its bias if it has one, times the factors of its outputs.
void multiply(Graph& graph, const Node& node, const Tensor& factors) {
  for (size_t i = 1; i < node.in.size(); ++i) {
    const Tensor& w = graph.values[static_cast<size_t>(node.in[i])].parameter->value;
    const size_t row = w.size() / factors.size();
    for (size_t j = 0; j < w.size(); ++j) w[j] *= factors[j / row];
  }
}

// The parameters of a node must be its own: others would be changed with them.
bool owns_parameters(const Graph& graph, const Node& node,
                     const std::vector<std::vector<int>>& readers) {
  return std::all_of(node.in.begin() + 1, node.in.end(), [&](int v) {
    return graph.values[static_cast<size_t>(v)].parameter != nullptr &&
           readers[static_cast<size_t>(v)].size() == 1;
  });
}

}  // namespace

Graph with_scales(const Graph& graph) {
  const std::set<int> wanted = unscaled_producers(graph);
  Graph result = graph;
  result.nodes.clear();
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    Node node = graph.nodes[n];
    if (wanted.count(static_cast<int>(n)) == 0) {
      result.nodes.push_back(std::move(node));
      continue;
    }
    const Shape shape = graph.values[static_cast<size_t>(node.out)].shape;
    const int scaled = node.out;
    const Tensor ones({shape.back()}, 1);
    const int factors =
        add_value(result, ones.shape(),
                  std::make_unique<Parameter>(Parameter{
                      .name = graph.node_name(n) + ".scale", .value = ones, .trainable = true}));
    node.out = add_value(result, shape, nullptr);
    const int made = node.out;
    result.nodes.push_back(std::move(node));
    result.nodes.push_back(
        {.op = make_op("channel_scale", {}), .in = {made, factors}, .out = scaled});
  }
  return result;
}

Graph fold_scales(Graph graph) {
  const std::vector<std::vector<int>> readers = consumers(graph);
  std::vector<Node> nodes;
  for (const Node& node : graph.nodes) {
    const auto maker = std::find_if(nodes.begin(), nodes.end(),
                                    [&](const Node& other) { return other.out == node.in[0]; });
    const bool folds = node.op->name() == "channel_scale" && maker != nodes.end() &&
                       can_fold(*maker) &&
                       graph.values[static_cast<size_t>(node.in[1])].parameter != nullptr &&
                       graph.values[static_cast<size_t>(node.in[1])].parameter->value.rank() == 1 &&
                       readers[static_cast<size_t>(node.in[0])].size() == 1 &&
                       owns_parameters(graph, *maker, readers) && maker->out != graph.output;
    if (!folds) {
      nodes.push_back(node);
      continue;
    }
    multiply(graph, *maker, graph.values[static_cast<size_t>(node.in[1])].parameter->value);
    maker->out = node.out;
  }
  graph.nodes = std::move(nodes);
  drop_unused(graph);
  return graph;
}

}  // namespace bonsai
