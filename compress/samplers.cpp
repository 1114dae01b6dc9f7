#include "compress/samplers.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "compress/mixer.h"
#include "compress/prune.h"
#include "engine/error.h"
#include "engine/ops/registry.h"

namespace bonsai {
namespace {

bool is_selection(const Node& node) { return node.op->name() == "select"; }

std::vector<int> index_of(const Node& node) {
  return std::get<std::vector<int>>(node.op->attributes().at("index"));
}

std::vector<int> first_numbers(int n) {
  std::vector<int> numbers(static_cast<size_t>(n));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

int channels_of(const Graph& graph, int value) {
  return graph.values[static_cast<size_t>(value)].shape.back();
}

// Per activation and channel: its unit; values whose channels are all pinned are missing.
std::map<int, std::vector<int>> units_of_values(const Graph& graph, const Coupling& coupling) {
  std::map<int, std::vector<int>> units;
  for (size_t u = 0; u < coupling.units.size(); ++u) {
    for (const Channel& channel : coupling.units[u].channels) {
      const int value = channel.axis.value;
      if (graph.values[static_cast<size_t>(value)].parameter) continue;
      const auto width = static_cast<size_t>(channels_of(graph, value));
      std::vector<int>& of_value = units.try_emplace(value, width, -1).first->second;
      of_value[static_cast<size_t>(channel.index)] = static_cast<int>(u);
    }
  }
  return units;
}

// Per unit: how many layers make something new of it.
std::vector<int> reader_counts(const Graph& graph, const Coupling& coupling) {
  const auto units = units_of_values(graph, coupling);
  std::vector<int> counts(coupling.units.size(), 0);
  for (const Producer& producer : coupling.producers) {
    std::set<int> read;
    for (const int value : graph.nodes[static_cast<size_t>(producer.node)].in) {
      const auto entry = units.find(value);
      if (entry != units.end()) read.insert(entry->second.begin(), entry->second.end());
    }
    read.erase(-1);
    for (const int u : read) ++counts[static_cast<size_t>(u)];
  }
  return counts;
}

// The selection that makes the value for this node alone; -1: there is none.
int own_selection(const Graph& graph, const std::vector<std::vector<int>>& readers, int value) {
  if (value == graph.output || readers[static_cast<size_t>(value)].size() != 1) return -1;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    if (graph.nodes[n].out == value) return is_selection(graph.nodes[n]) ? static_cast<int>(n) : -1;
  }
  return -1;
}

// The node that reads what the sampler hands on.
const Node& reader_of(const Graph& graph, int sampler) {
  const int out = graph.nodes[static_cast<size_t>(sampler)].out;
  return graph.nodes[static_cast<size_t>(consumers(graph)[static_cast<size_t>(out)].at(0))];
}

// The layer alone, when it reads these channels of what the sampler chooses from, for its time:
// numbers do not matter.
Graph form_of(const Graph& graph, const Node& layer, const Node& sampler,
              const std::vector<int>& index) {
  Graph form;
  const auto add_value = [&](Shape shape) {
    form.values.push_back({std::move(shape), nullptr});
    return static_cast<int>(form.values.size()) - 1;
  };
  const auto shape_of = [&](int value) { return graph.values[static_cast<size_t>(value)].shape; };
  Shape read = shape_of(sampler.in[0]);
  form.input = add_value(read);
  Node conv{.op = layer.op, .in = {form.input}, .out = 0};
  if (index != first_numbers(read.back())) {
    read.back() = static_cast<int>(index.size());
    conv.in[0] = add_value(read);
    form.nodes.push_back(
        {.op = make_op("select", {{"index", index}}), .in = {form.input}, .out = conv.in[0]});
  }
  for (size_t i = 1; i < layer.in.size(); ++i) {
    Shape shape = shape_of(layer.in[i]);
    if (i == 1) shape[3] = shape[3] * read.back() / channels_of(graph, sampler.out);
    conv.in.push_back(add_value(shape));
    auto parameter = std::make_unique<Parameter>();
    parameter->name = join("layer.", i);
    parameter->value = Tensor(shape, Scalar{0.01F});
    form.values.back().parameter = std::move(parameter);
  }
  conv.out = form.output = add_value(shape_of(layer.out));
  form.nodes.push_back(std::move(conv));
  return form;
}

// The layers that would choose from what they read.
std::vector<SampledLayer> timed(const Sampled& sampled, const Coupling& coupling,
                                const std::set<int>& gone, const GraphTimer& timer) {
  const Graph pruned = prune(sampled.graph, coupling, gone);
  std::vector<SampledLayer> layers;
  for (const int s : sampled.samplers) {
    const Node& sampler = pruned.nodes[static_cast<size_t>(s)];
    const Node& layer = reader_of(pruned, s);
    const std::vector<int> all = index_of(sampled.graph.nodes[static_cast<size_t>(s)]),
                           chosen = index_of(sampler);
    if (chosen == all) continue;
    const Graph whole = form_of(pruned, layer, sampler, all),
                fewer = form_of(pruned, layer, sampler, chosen);
    const std::vector<const Graph*> forms = {&whole, &fewer};
    const std::vector<double> ms = timer(forms);
    layers.push_back({.name = pruned.node_name(static_cast<size_t>(&layer - pruned.nodes.data())),
                      .channels = static_cast<int>(all.size()),
                      .kept = static_cast<int>(chosen.size()),
                      .ms = ms.at(0),
                      .sampled_ms = ms.at(1)});
  }
  return layers;
}

// Without units that nobody reads.
Graph without_unread_channels(const Graph& graph) {
  const Coupling coupling = couple(graph);
  const std::vector<int> counts = reader_counts(graph, coupling);
  std::set<Axis> balanced;
  for (const Balance& balance : coupling.balances) balanced.insert(balance.axis);
  std::vector<size_t> left;  // units of each group, of which one stays
  for (const Group& group : coupling.groups) left.push_back(group.units.size());
  std::set<int> gone;
  for (size_t u = 0; u < counts.size(); ++u) {
    const std::vector<Channel>& channels = coupling.units[u].channels;
    const bool is_free = std::none_of(channels.begin(), channels.end(), [&](const Channel& c) {
      return balanced.count(c.axis) != 0;
    });
    size_t& others = left[static_cast<size_t>(coupling.units[u].group)];
    if (counts[u] != 0 || !is_free || others == 1) continue;
    --others;
    gone.insert(static_cast<int>(u));
  }
  return gone.empty() ? graph : prune(graph, coupling, gone);
}

}  // namespace

std::set<std::string> layers_that_share(const Graph& graph) {
  const Coupling coupling = couple(graph);
  const std::vector<int> counts = reader_counts(graph, coupling);
  const auto units = units_of_values(graph, coupling);
  std::set<std::string> layers;
  for (const Mixer& mixer : mixers(graph)) {
    const auto node = static_cast<size_t>(mixer.node);
    const auto entry = units.find(mixer.x);
    if (graph.nodes[node].op->name() != "conv2d" || entry == units.end()) continue;
    if (std::any_of(entry->second.begin(), entry->second.end(),
                    [&](int u) { return u >= 0 && counts[static_cast<size_t>(u)] > 1; })) {
      layers.insert(graph.node_name(node));
    }
  }
  return layers;
}

Sampled with_samplers(const Graph& graph, const std::set<std::string>& layers) {
  Sampled sampled{.graph = graph, .samplers = {}};
  Graph& changed = sampled.graph;
  const auto readers = consumers(graph);
  changed.nodes.clear();
  std::map<int, int> place;  // of the original's nodes
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    Node node = graph.nodes[n];
    if (layers.count(graph.node_name(n)) != 0) {
      const int own = own_selection(graph, readers, node.in[0]);
      if (own >= 0) {
        sampled.samplers.insert(place.at(own));
      } else {
        const int source = node.in[0];
        const auto made = static_cast<int>(changed.values.size());
        changed.values.push_back({graph.values[static_cast<size_t>(source)].shape, nullptr});
        sampled.samplers.insert(static_cast<int>(changed.nodes.size()));
        changed.nodes.push_back(
            {.op = make_op("select", {{"index", first_numbers(channels_of(graph, source))}}),
             .in = {source},
             .out = made});
        node.in[0] = made;
      }
    }
    place[static_cast<int>(n)] = static_cast<int>(changed.nodes.size());
    changed.nodes.push_back(std::move(node));
  }
  return sampled;
}

std::set<int> sampled_groups(const Sampled& sampled, const Coupling& coupling) {
  const auto units = units_of_values(sampled.graph, coupling);
  std::set<int> groups;
  for (const int s : sampled.samplers) {
    const auto entry = units.find(sampled.graph.nodes[static_cast<size_t>(s)].in[0]);
    if (entry == units.end()) continue;
    for (const int u : entry->second) {
      if (u >= 0) groups.insert(coupling.units[static_cast<size_t>(u)].group);
    }
  }
  return groups;
}

SamplingPlan plan_samplers(const Graph& graph, const UnitChoice& choose, const GraphTimer& timer) {
  std::set<std::string> layers = layers_that_share(graph);
  std::map<std::string, SampledLayer> slow;
  for (;;) {
    SamplingPlan plan{
        .sampled = with_samplers(graph, layers), .coupling = {}, .gone = {}, .layers = {}};
    plan.coupling = couple(plan.sampled.graph, plan.sampled.samplers);
    plan.gone = choose(plan.sampled, plan.coupling);
    plan.layers = timed(plan.sampled, plan.coupling, plan.gone, timer);
    const size_t before = layers.size();
    for (SampledLayer& layer : plan.layers) {
      if (is_quicker(layer.sampled_ms, layer.ms)) continue;
      layers.erase(layer.name);
      layer.kept = layer.channels;
      slow[layer.name] = layer;
    }
    if (layers.size() < before) continue;
    for (const auto& [name, layer] : slow) plan.layers.push_back(layer);
    std::map<std::string, size_t> order;
    for (size_t n = 0; n < graph.nodes.size(); ++n) order[graph.node_name(n)] = n;
    std::sort(plan.layers.begin(), plan.layers.end(),
              [&](const SampledLayer& a, const SampledLayer& b) {
                return order.at(a.name) < order.at(b.name);
              });
    return plan;
  }
}

Graph without_unread(const Graph& pruned) {
  Graph graph = without_unread_channels(pruned);
  std::map<int, int> same_as;
  std::vector<Node> left;
  for (Node node : graph.nodes) {
    for (int& v : node.in) {
      const auto entry = same_as.find(v);
      if (entry != same_as.end()) v = entry->second;
    }
    if (is_selection(node) && node.out != graph.output &&
        index_of(node) == first_numbers(channels_of(graph, node.in[0]))) {
      same_as[node.out] = node.in[0];
    } else {
      left.push_back(std::move(node));
    }
  }
  graph.nodes = std::move(left);
  drop_unused(graph);
  return graph;
}

}  // namespace bonsai
