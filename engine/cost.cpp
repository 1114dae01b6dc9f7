#include "engine/cost.h"

#include <algorithm>
#include <array>

#include "engine/error.h"

namespace bonsai {
namespace {

using Row = std::array<std::string, 5>;

// 12345678 -> 12,345,678
std::string with_commas(int64_t n) {
  std::string text = std::to_string(n);
  for (size_t i = text.size(); i > 3;) text.insert(i -= 3, 1, ',');
  return text;
}

// [1, 32, 32, 64] -> 32x32x64
std::string without_batch(const Shape& shape) {
  std::string text;
  for (size_t i = 1; i < shape.size(); ++i) text += join(i > 1 ? "x" : "", shape[i]);
  return text;
}

std::string layout(const std::vector<Row>& rows) {
  std::array<size_t, 5> width{};
  for (const Row& row : rows) {
    for (size_t c = 0; c < row.size(); ++c) width[c] = std::max(width[c], row[c].size());
  }
  std::string text;
  for (const Row& row : rows) {
    for (size_t c = 0; c < row.size(); ++c) {
      const std::string padding(width[c] - row[c].size(), ' ');
      if (c > 0) text += "  ";
      text += c < 2 ? row[c] + padding : padding + row[c];  // words left, numbers right
    }
    text += '\n';
  }
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
  std::vector<Row> rows = {
      {"node", "operation", "output", "parameters", "multiply-adds"},
      {"input", "", without_batch(graph.input_shape()), "", ""},
  };
  const std::vector<Cost> cost = costs(graph);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    rows.push_back({graph.node_name(n), std::string(node.op->name()),
                    without_batch(graph.values[static_cast<size_t>(node.out)].shape),
                    cost[n].params > 0 ? with_commas(cost[n].params) : "",
                    cost[n].macs > 0 ? with_commas(cost[n].macs) : ""});
  }
  const Cost total = total_cost(graph);
  rows.push_back({"total", "", "", with_commas(total.params), with_commas(total.macs)});
  return layout(rows);
}

}  // namespace bonsai
