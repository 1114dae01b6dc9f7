#include "compress/explicit_scales.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "compress/couple.h"
#include "compress/stages.h"
#include "engine/error.h"
#include "engine/ops/registry.h"

namespace bonsai {
namespace {

bool is_transposed(const Node& node) { return node.op->name() == "conv_transpose2d"; }

bool makes_channels(const Node& node) {
  return node.op->name() == "conv2d" || node.op->name() == "linear" || is_transposed(node);
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
      if (makes_channels(graph.nodes[static_cast<size_t>(node)])) nodes.insert(node);
    }
  }
  return nodes;
}

int add_value(Graph& graph, Shape shape, std::unique_ptr<Parameter> parameter) {
  graph.values.push_back({.shape = std::move(shape), .parameter = std::move(parameter)});
  return static_cast<int>(graph.values.size()) - 1;
}

// With factors of 1, "<layer>.scale", behind these nodes.
Graph with_factors(const Graph& graph, const std::set<int>& behind) {
  Graph result = graph;
  result.nodes.clear();
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    Node node = graph.nodes[n];
    if (behind.count(static_cast<int>(n)) == 0) {
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

using Readers = std::vector<std::vector<int>>;

// A parameter may be changed where nothing else reads it.
bool is_own(const Graph& graph, int value, const Readers& readers) {
  return graph.values[static_cast<size_t>(value)].parameter != nullptr &&
         readers[static_cast<size_t>(value)].size() == 1;
}

const Tensor& parameter(const Graph& graph, int value) {
  return graph.values[static_cast<size_t>(value)].parameter->value;
}

// The inputs of a node that its result is proportional to when scaled together: weights and bias,
// or gamma and beta. Empty when it has none of its own.
std::vector<int> multipliers(const Graph& graph, const Node& maker, const Readers& readers) {
  std::vector<int> values;
  if (makes_channels(maker)) values.assign(maker.in.begin() + 1, maker.in.end());
  if (maker.op->name() == "batch_norm" && maker.in.size() == 5) values = {maker.in[1], maker.in[2]};
  for (const int v : values)
    if (!is_own(graph, v, readers)) return {};
  return values;
}

// Along the first axis.
void multiply_rows(const Tensor& w, const Tensor& factors) {
  const size_t row = w.size() / factors.size();
  for (size_t i = 0; i < w.size(); ++i) w[i] *= factors[i / row];
}

// Along the last axis of weights [out, ..., in / groups], or of transposed ones [in, ..., out /
// groups], which is numbered through all groups.
void multiply_columns(const Tensor& w, const Tensor& factors) {
  const auto stored = static_cast<size_t>(w.dim(-1));
  const size_t blocks = factors.size() / stored, block = w.size() / blocks;
  for (size_t i = 0; i < w.size(); ++i) w[i] *= factors[i / block * stored + i % stored];
}

// Puts the factors of node n, a channel_scale, into parameters before or behind it; false, and
// nothing happened, when there are no such parameters.
bool fold_one(const Graph& graph, size_t n, const Readers& readers) {
  const Node& node = graph.nodes[n];
  const int made = node.in[0], factors = node.in[1];
  if (!graph.values[static_cast<size_t>(factors)].parameter ||
      parameter(graph, factors).rank() != 1)
    return false;
  const auto maker = std::find_if(graph.nodes.begin(), graph.nodes.end(),
                                  [&](const Node& other) { return other.out == made; });
  if (maker != graph.nodes.end() && readers[static_cast<size_t>(made)].size() == 1 &&
      made != graph.output) {
    const std::vector<int> values = multipliers(graph, *maker, readers);
    for (const int v : values) {
      const Tensor& w = parameter(graph, v);
      const bool last = is_transposed(*maker) && w.rank() > 1;
      (last ? multiply_columns : multiply_rows)(w, parameter(graph, factors));
    }
    if (!values.empty()) return true;
  }
  const std::vector<int>& behind = readers[static_cast<size_t>(node.out)];
  const auto takes = [&](int r) {
    const Node& reader = graph.nodes[static_cast<size_t>(r)];
    return makes_channels(reader) && reader.in[0] == node.out &&
           is_own(graph, reader.in[1], readers);
  };
  if (behind.empty() || node.out == graph.output ||
      !std::all_of(behind.begin(), behind.end(), takes))
    return false;
  for (const int r : behind) {
    const Node& reader = graph.nodes[static_cast<size_t>(r)];
    (is_transposed(reader) ? multiply_rows : multiply_columns)(parameter(graph, reader.in[1]),
                                                               parameter(graph, factors));
  }
  return true;
}

}  // namespace

Graph with_scales(const Graph& graph) { return with_factors(graph, unscaled_producers(graph)); }

Graph with_scales_behind(const Graph& graph, const std::vector<std::string>& nodes) {
  std::set<int> behind;
  std::string behind_text;
  for (const std::string& name : nodes) {
    behind_text += (behind_text.empty() ? "" : ", ") + name;
    const int value = value_named(graph, name, "the network");
    for (size_t n = 0; n < graph.nodes.size(); ++n)
      if (graph.nodes[n].out == value) behind.insert(static_cast<int>(n));
  }
  const Graph result = with_factors(graph, behind);
  const Graph folded = fold_scales(result);
  require(folded.nodes.size() == fold_scales(graph).nodes.size(),
          "explicit scales: factors behind ", behind_text,
          " could not be folded away: neither what makes the channels nor all that reads them are "
          "layers with weights of their own");
  return result;
}

Graph fold_scales(Graph graph) {
  for (size_t n = 0; n < graph.nodes.size();) {
    const Node node = graph.nodes[n];
    if (node.op->name() != "channel_scale" || !fold_one(graph, n, consumers(graph))) {
      ++n;
      continue;
    }
    graph.nodes.erase(graph.nodes.begin() + static_cast<std::ptrdiff_t>(n));
    for (Node& other : graph.nodes)
      std::replace(other.in.begin(), other.in.end(), node.out, node.in[0]);
    if (graph.output == node.out) graph.output = node.in[0];
  }
  drop_unused(graph);
  return graph;
}

}  // namespace bonsai
