#include "compress/sites.h"

#include <algorithm>
#include <cmath>

namespace bonsai {

std::vector<Site> sites(const Graph& graph, const Coupling& coupling) {
  const std::vector<std::vector<int>> readers = consumers(graph);
  std::vector<Site> all;
  for (const Producer& producer : coupling.producers) {
    const int made = producer.output.value;
    Site site{.value = made};
    const std::vector<int>& list = readers[static_cast<size_t>(made)];
    if (list.size() == 1 && made != graph.output) {
      const Node& reader = graph.nodes[static_cast<size_t>(list[0])];
      if (reader.op->name() == "batch_norm" && reader.in[0] == made) {
        site = {.value = reader.out, .norm = list[0]};
      }
    }
    all.push_back(site);
  }
  return all;
}

double scale_at(const Graph& graph, const Site& site, int channel) {
  if (site.norm < 0) return 1;
  const Node& norm = graph.nodes[static_cast<size_t>(site.norm)];
  const auto number = [&](size_t input) {
    const Tensor& all = graph.values[static_cast<size_t>(norm.in[input])].parameter->value;
    return double{all[static_cast<size_t>(channel)]};
  };
  constexpr size_t gamma = 1, var = 4;
  const double eps = std::get<double>(norm.op->attributes().at("eps"));
  return number(gamma) / std::sqrt(number(var) + eps);
}

std::vector<int> activated(const Graph& graph, const std::vector<Activation::Kind>& kinds) {
  std::vector<int> values;
  for (const Node& node : graph.nodes) {
    const bool wanted = std::any_of(kinds.begin(), kinds.end(), [&](Activation::Kind kind) {
      return node.op->name() == activation_name(kind);
    });
    if (wanted) values.push_back(node.out);
  }
  return values;
}

std::vector<int> gates(const Graph& graph) {
  std::vector<int> values;
  for (const Node& node : graph.nodes) {
    if (node.op->name() != "channel_scale") continue;
    if (!graph.values[static_cast<size_t>(node.in[1])].parameter) values.push_back(node.in[1]);
  }
  return values;
}

const std::vector<Activation::Kind>& feature_activations() {
  static const std::vector<Activation::Kind> kinds = {
      Activation::relu, Activation::relu6, Activation::leaky_relu, Activation::hard_swish};
  return kinds;
}

}  // namespace bonsai
