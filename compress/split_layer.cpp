#include "compress/split_layer.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/ops/registry.h"

namespace bonsai {
namespace {

const Node& node_at(const Graph& graph, int node) { return graph.nodes[static_cast<size_t>(node)]; }

int64_t option(const Graph& graph, int node, const std::string& name) {
  return std::get<int64_t>(node_at(graph, node).op->attributes().at(name));
}

std::unique_ptr<Parameter> named(std::string name, Tensor value) {
  auto parameter = std::make_unique<Parameter>();
  parameter->name = std::move(name);
  parameter->value = std::move(value);
  return parameter;
}

// The first convolution keeps the attributes, the second has these `changed`. `names`: of the two,
// below the node's own.
void split(Graph& graph, int node, Factors factors, Attributes changed,
           const std::pair<std::string, std::string>& names) {
  const std::string name = graph.node_name(static_cast<size_t>(node));
  const Node old = node_at(graph, node);
  const Attributes attributes = old.op->attributes();
  changed.insert(attributes.begin(), attributes.end());  // what is changed already stays
  const int w = static_cast<int>(graph.values.size()), made = w + 1;
  graph.values.push_back(
      {factors.first.shape(), named(join(name, '.', names.first, ".weight"), factors.first)});
  graph.values.push_back({});
  Graph::Value& last = graph.values[static_cast<size_t>(old.in[1])];
  last = {factors.second.shape(), named(join(name, '.', names.second, ".weight"), factors.second)};
  if (old.in.size() == 3) {
    graph.values[static_cast<size_t>(old.in[2])].parameter->name =
        join(name, '.', names.second, ".bias");
  }
  Node head{.op = make_op("conv2d", attributes), .in = {old.in[0], w}, .out = made};
  graph.nodes[static_cast<size_t>(node)].op = make_op("conv2d", changed);
  graph.nodes[static_cast<size_t>(node)].in[0] = made;
  graph.nodes.insert(graph.nodes.begin() + node, std::move(head));
  graph.infer_shapes(graph.input_shape());
}

}  // namespace

bool can_split_channels(const Graph& graph, int node) {
  return node_at(graph, node).op->name() == "conv2d" && option(graph, node, "groups") == 1;
}

bool can_split_spatially(const Graph& graph, int node) {
  if (!can_split_channels(graph, node)) return false;
  const Shape& w = graph.values[static_cast<size_t>(node_at(graph, node).in[1])].shape;
  return w[1] > 1 && w[2] > 1 && option(graph, node, "stride") == 1;
}

void split_spatially(Graph& graph, int node, Factors factors) {
  require(can_split_spatially(graph, node), "split: ", graph.node_name(static_cast<size_t>(node)),
          " is not a k x k convolution of stride 1 without groups");
  split(graph, node, std::move(factors), {{"padding", int64_t{0}}}, {"column", "row"});
}

void split_channels(Graph& graph, int node, Factors factors) {
  require(can_split_channels(graph, node), "split: ", graph.node_name(static_cast<size_t>(node)),
          " is not a convolution without groups");
  split(graph, node, std::move(factors),
        {{"padding", int64_t{0}}, {"stride", int64_t{1}}, {"dilation", int64_t{1}}},
        {"few", "point"});
}

Graph layer_alone(const Graph& graph, int node) {
  const Node& original = node_at(graph, node);
  Graph alone;
  Node copy{.op = original.op, .in = {}, .out = 0};
  for (const int v : original.in) {
    const Graph::Value& value = graph.values[static_cast<size_t>(v)];
    copy.in.push_back(static_cast<int>(alone.values.size()));
    alone.values.push_back({value.shape, nullptr});
    if (value.parameter) {
      alone.values.back().parameter = named(value.parameter->name, value.parameter->value.clone());
    }
  }
  copy.out = alone.output = static_cast<int>(alone.values.size());
  alone.values.push_back({graph.values[static_cast<size_t>(original.out)].shape, nullptr});
  alone.nodes.push_back(std::move(copy));
  return alone;
}

}  // namespace bonsai
