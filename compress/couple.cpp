#include "compress/couple.h"

#include <algorithm>
#include <numeric>

#include "engine/error.h"

namespace bonsai {
namespace {

int channel_count(const Shape& shape) { return shape.back(); }

Axis channel_axis(int value, const std::vector<Shape>& shapes) {
  return {value, static_cast<int>(shapes[static_cast<size_t>(value)].size()) - 1};
}

bool is_parameter(const Graph& graph, int value) {
  return graph.values[static_cast<size_t>(value)].parameter != nullptr;
}

// A node is a producer when one of its outputs is tied to no activation that it reads. Seen from
// this node alone: a residual block's output is its input again through the addition, but not
// through the convolution.
void find_producer(const Graph& graph, size_t n, const std::vector<Shape>& shapes,
                   std::vector<Producer>& producers) {
  const Node& node = graph.nodes[n];
  Producer producer{
      .node = static_cast<int>(n), .output = channel_axis(node.out, shapes), .parameters = {}};
  Channels local;
  node.op->ties(node, shapes, local);
  std::vector<bool> is_read(local.count()), is_made(local.count());
  for (const auto& [axis, _] : local.widths()) {
    if (axis.value == node.out || is_parameter(graph, axis.value)) continue;
    for (const int c : local.class_numbers(axis))
      if (c >= 0) is_read[static_cast<size_t>(c)] = true;
  }
  bool produces = false;
  for (const int c : local.class_numbers(producer.output)) {
    if (c < 0 || is_read[static_cast<size_t>(c)]) continue;
    produces = is_made[static_cast<size_t>(c)] = true;
  }
  if (!produces) return;
  for (const auto& [axis, _] : local.widths()) {
    const std::vector<int> numbers = local.class_numbers(axis);
    const bool made = std::any_of(numbers.begin(), numbers.end(),
                                  [&](int c) { return c >= 0 && is_made[static_cast<size_t>(c)]; });
    if (is_parameter(graph, axis.value) && made) producer.parameters.push_back(axis);
  }
  producers.push_back(std::move(producer));
}

// The channels that a sampler hands on, which only the next convolution's weights know.
Producer sampler(const Graph& graph, int node, const std::vector<Shape>& shapes) {
  const int out = graph.nodes[static_cast<size_t>(node)].out;
  const auto reader =
      std::find_if(graph.nodes.begin(), graph.nodes.end(), [&](const Node& candidate) {
        return candidate.in[0] == out && candidate.op->name() == "conv2d";
      });
  require(reader != graph.nodes.end(), "couple: no convolution reads the sampler ",
          graph.node_name(static_cast<size_t>(node)));
  return {.node = node, .output = channel_axis(out, shapes), .parameters = {{reader->in[1], 3}}};
}

// For every producer the units that it makes, in order, some perhaps several times.
std::vector<std::vector<int>> made_units(const Graph& graph, const Coupling& coupling) {
  std::vector<int> producer_of_value(graph.values.size(), -1);
  for (size_t p = 0; p < coupling.producers.size(); ++p) {
    producer_of_value[static_cast<size_t>(coupling.producers[p].output.value)] =
        static_cast<int>(p);
  }
  std::vector<std::vector<int>> made(coupling.producers.size());
  for (size_t u = 0; u < coupling.units.size(); ++u) {
    for (const Channel& channel : coupling.units[u].channels) {
      const int p = producer_of_value[static_cast<size_t>(channel.axis.value)];
      if (p >= 0) made[static_cast<size_t>(p)].push_back(static_cast<int>(u));
    }
  }
  return made;
}

// Joins the units that come out of the same producer and returns, per unit, the smallest unit of
// its group.
std::vector<int> join_units(size_t units, const std::vector<std::vector<int>>& made) {
  std::vector<int> parent(units);
  std::iota(parent.begin(), parent.end(), 0);
  const auto root = [&](int i) {
    while (parent[static_cast<size_t>(i)] != i) {
      int& up = parent[static_cast<size_t>(i)];
      i = up = parent[static_cast<size_t>(up)];  // halves the path for the next caller
    }
    return i;
  };
  for (const std::vector<int>& together : made) {
    for (const int unit : together) {
      const int a = root(together.front()), b = root(unit);
      parent[static_cast<size_t>(std::max(a, b))] = std::min(a, b);
    }
  }
  for (size_t u = 0; u < units; ++u) parent[u] = root(static_cast<int>(u));
  return parent;
}

void make_groups(const Graph& graph, Coupling& coupling) {
  const std::vector<std::vector<int>> made = made_units(graph, coupling);
  const std::vector<int> roots = join_units(coupling.units.size(), made);
  // Groups are numbered by their first producer, so that people read them in order of execution.
  std::map<int, int> group_of_root;
  for (size_t p = 0; p < coupling.producers.size(); ++p) {
    if (made[p].empty()) continue;  // all that it makes is pinned
    const auto [entry, is_new] = group_of_root.try_emplace(
        roots[static_cast<size_t>(made[p].front())], static_cast<int>(coupling.groups.size()));
    if (is_new) {
      const size_t node = static_cast<size_t>(coupling.producers[p].node);
      coupling.groups.push_back({.name = graph.node_name(node), .units = {}, .producers = {}});
    }
    coupling.groups[static_cast<size_t>(entry->second)].producers.push_back(static_cast<int>(p));
  }
  for (size_t u = 0; u < roots.size(); ++u) {
    const auto entry = group_of_root.find(roots[u]);
    require(entry != group_of_root.end(), "couple: nothing makes the channel of ",
            axis_name(graph, coupling.units[u].channels.front().axis));
    coupling.units[u].group = entry->second;
    coupling.groups[static_cast<size_t>(entry->second)].units.push_back(static_cast<int>(u));
  }
}

}  // namespace

Coupling couple(const Graph& graph, const std::set<int>& samplers) {
  const std::vector<Shape> shapes = graph.shapes();
  Coupling coupling;
  Channels channels;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    if (samplers.count(static_cast<int>(n)) != 0) {
      coupling.producers.push_back(sampler(graph, static_cast<int>(n), shapes));
      continue;
    }
    graph.nodes[n].op->ties(graph.nodes[n], shapes, channels);
    find_producer(graph, n, shapes, coupling.producers);
  }
  for (const int v : {graph.input, graph.output}) {
    channels.pin(channel_axis(v, shapes), channel_count(shapes[static_cast<size_t>(v)]));
  }
  coupling.widths = channels.widths();
  for (Channels::Class& c : channels.classes()) {
    if (!c.pinned) coupling.units.push_back({.channels = std::move(c.members), .group = 0});
  }
  coupling.balances = channels.balances();
  make_groups(graph, coupling);
  return coupling;
}

std::string axis_name(const Graph& graph, Axis axis) {
  const Graph::Value& value = graph.values[static_cast<size_t>(axis.value)];
  if (value.parameter) return value.parameter->name;
  if (axis.value == graph.input) return "the network's input";
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    if (graph.nodes[n].out == axis.value) return join("the output of ", graph.node_name(n));
  }
  return join("value ", axis.value);
}

}  // namespace bonsai
