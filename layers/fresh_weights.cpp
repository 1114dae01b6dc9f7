#include "layers/fresh_weights.h"

#include <algorithm>

#include "engine/error.h"
#include "layers/init.h"

namespace bonsai {
namespace {

constexpr float gamma_beta_mean_var[] = {1, 0, 0, 1};  // inputs 1 to 4 of a batch norm

const Tensor& parameter_at(const Graph& graph, int value) {
  return graph.values[static_cast<size_t>(value)].parameter->value;
}

void draw_layer(const Graph& graph, const Node& node, Random& random) {
  const Tensor& weight = parameter_at(graph, node.in[1]);
  const int64_t fan_in = fan(weight, Fan::in);
  if (weight.rank() == 4) {
    kaiming_normal(weight, Fan::in, random);
  } else {
    uniform_fan_in(weight, fan_in, random);
  }
  if (node.in.size() > 2) uniform_fan_in(parameter_at(graph, node.in[2]), fan_in, random);
}

}  // namespace

void draw_fresh_weights(Graph& graph, uint64_t seed) {
  Random random(seed, Purpose::init);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    const std::string_view op = node.op->name();
    if (op == "conv2d" || op == "conv_transpose2d" || op == "linear") {
      draw_layer(graph, node, random);
    } else if (op == "batch_norm") {
      for (size_t i = 1; i < node.in.size(); ++i)
        constant(parameter_at(graph, node.in[i]), gamma_beta_mean_var[i - 1]);
    } else {
      require(std::none_of(
                  node.in.begin(), node.in.end(),
                  [&](int v) { return graph.values[static_cast<size_t>(v)].parameter != nullptr; }),
              "fresh weights: ", graph.node_name(n), " (", op,
              ") has parameters, and it is not known how they begin");
    }
  }
}

}  // namespace bonsai
