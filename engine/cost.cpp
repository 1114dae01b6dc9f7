#include "engine/cost.h"

#include "engine/error.h"
#include "engine/text.h"

namespace bonsai {
namespace {

// [1, 32, 32, 64] -> 32x32x64
std::string without_batch(const Shape& shape) {
  std::string text;
  for (size_t i = 1; i < shape.size(); ++i) text += join(i > 1 ? "x" : "", shape[i]);
  return text;
}

}  // namespace

std::vector<Cost> costs(const Graph& graph) {
  std::vector<bool> counted(graph.values.size(), false);
  std::vector<Cost> all;
  for (const Node& node : graph.nodes) {
    Cost cost;
    std::vector<Shape> in;
    for (const int v : node.in) {
      const Graph::Value& value = graph.values[static_cast<size_t>(v)];
      in.push_back(value.shape);
      if (!value.parameter || !value.parameter->trainable || counted[static_cast<size_t>(v)]) {
        continue;
      }
      counted[static_cast<size_t>(v)] = true;
      cost.params += static_cast<int64_t>(value.parameter->value.size());
    }
    const Shape& out = graph.values[static_cast<size_t>(node.out)].shape;
    cost.macs = node.op->macs(in, out);
    cost.activation_bytes = static_cast<int64_t>(element_count(out) * sizeof(float));
    all.push_back(cost);
  }
  return all;
}

Cost total_cost(const Graph& graph) {
  Cost total;
  for (const Cost& cost : costs(graph)) {
    total.params += cost.params;
    total.macs += cost.macs;
    total.activation_bytes += cost.activation_bytes;
  }
  return total;
}

std::string print(const Graph& graph) {
  std::vector<std::vector<std::string>> rows = {
      {"node", "operation", "output", "parameters", "multiply-adds"},
      {"input", "", without_batch(graph.input_shape()), "", ""},
  };
  const std::vector<Cost> cost = costs(graph);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    rows.push_back({graph.node_name(n), std::string(node.op->name()),
                    without_batch(graph.values[static_cast<size_t>(node.out)].shape),
                    cost[n].params > 0 ? grouped(cost[n].params) : "",
                    cost[n].macs > 0 ? grouped(cost[n].macs) : ""});
  }
  const Cost total = total_cost(graph);
  rows.push_back({"total", "", "", grouped(total.params), grouped(total.macs)});
  return text_table(rows, 2);
}

}  // namespace bonsai
