#include "compress/conv_group_scales.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "compress/couple.h"
#include "compress/explicit_scales.h"
#include "compress/prune.h"
#include "engine/error.h"
#include "engine/nearest.h"

namespace bonsai {
namespace {

int value_width(const Graph& graph, int value) {
  return graph.values[static_cast<size_t>(value)].shape.back();
}

// 1 for what is no convolution, and for a depthwise one.
int group_count(const Graph& graph, const Node& node) {
  if (node.op->name() != "conv2d" && node.op->name() != "conv_transpose2d") return 1;
  const auto groups = static_cast<int>(std::get<int64_t>(node.op->attributes().at("groups")));
  const bool depthwise = value_width(graph, node.in[1]) == 1;
  return depthwise ? 1 : groups;
}

// The node whose result is a convolution's in the end: itself, or the batch norm that alone reads
// it.
size_t end_of(const Graph& graph, int node) {
  const auto n = static_cast<size_t>(node);
  const std::vector<int> readers = consumers(graph)[static_cast<size_t>(graph.nodes[n].out)];
  const bool norm = readers.size() == 1 &&
                    graph.nodes[static_cast<size_t>(readers[0])].op->name() == "batch_norm";
  return norm ? static_cast<size_t>(readers[0]) : n;
}

// A grouped convolution and, per group, all units that go with it.
struct GroupedLayer {
  int node;
  std::vector<std::set<int>> units;
};

// Which convolutions' groups can go, looked at through the coupling of the graph.
class GroupFinder {
 public:
  GroupFinder(const Graph& graph, const Coupling& coupling) : graph_(graph), coupling_(coupling) {
    for (size_t u = 0; u < coupling.units.size(); ++u)
      for (const Channel& channel : coupling.units[u].channels)
        unit_of_[channel] = static_cast<int>(u);
    for (const Producer& producer : coupling.producers) {
      const int input = graph.nodes[static_cast<size_t>(producer.node)].in[0];
      makers_[producer.output.value].insert(producer.node);
      readers_[input].insert(producer.node);
    }
    for (const Node& node : graph.nodes)
      if (node.op->name() == "batch_norm") norms_[node.in[1]] = node.out;
  }

  std::vector<GroupedLayer> find() const {
    std::vector<GroupedLayer> layers;
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      GroupedLayer layer{.node = static_cast<int>(n), .units = {}};
      const int groups = group_count(graph_, graph_.nodes[n]);
      for (int g = 0; groups > 1 && g < groups; ++g) layer.units.push_back(units(layer.node, g));
      const bool all = std::all_of(layer.units.begin(), layer.units.end(),
                                   [](const std::set<int>& group) { return !group.empty(); });
      if (!layer.units.empty() && all) layers.push_back(std::move(layer));
    }
    return layers;
  }

 private:
  using Nodes = std::map<int, std::set<int>>;  // by the value that they read or make

  // Empty when the group cannot go.
  std::set<int> units(int n, int group) const {
    const Node& node = graph_.nodes[static_cast<size_t>(n)];
    std::set<int> all;
    const bool goes = add(node.in[0], n, group, readers_, all) &&
                      add(node.out, n, group, makers_, all) && stays_zero(n, group) &&
                      leaves_even(node, all);
    return goes ? all : std::set<int>();
  }

  // The units of the group's channels of a value; false where one is pinned, or other layers than
  // the convolution read (make) them as well.
  bool add(int value, int n, int group, const Nodes& nodes, std::set<int>& units) const {
    const int width = value_width(graph_, value);
    const int block = width / group_count(graph_, graph_.nodes[static_cast<size_t>(n)]);
    for (int c = group * block; c < (group + 1) * block; ++c) {
      const auto unit = unit_of_.find({{value, 3}, c});
      if (unit == unit_of_.end()) return false;
      for (const Channel& channel : coupling_.units[static_cast<size_t>(unit->second)].channels) {
        const auto entry = nodes.find(channel.axis.value);
        if (entry != nodes.end() && entry->second != std::set<int>{n}) return false;
      }
      units.insert(unit->second);
    }
    return true;
  }

  // Whether what the group makes stays zero behind a factor of zero: a batch norm further on adds
  // to it.
  bool stays_zero(int n, int group) const {
    const int value = graph_.nodes[end_of(graph_, n)].out, width = value_width(graph_, value);
    const int block = width / group_count(graph_, graph_.nodes[static_cast<size_t>(n)]);
    for (int c = group * block; c < (group + 1) * block; ++c) {
      const int unit = unit_of_.at({{value, 3}, c});
      for (const Channel& channel : coupling_.units[static_cast<size_t>(unit)].channels) {
        const auto norm = norms_.find(channel.axis.value);
        if (norm != norms_.end() && norm->second != value) return false;
      }
    }
    return true;
  }

  // Whether the blocks of all other grouped convolutions lose equal numbers, and not all.
  bool leaves_even(const Node& node, const std::set<int>& units) const {
    std::map<Axis, std::vector<int>> lost;
    for (const int u : units)
      for (const Channel& channel : coupling_.units[static_cast<size_t>(u)].channels)
        lost[channel.axis].push_back(channel.index);
    return std::all_of(
        coupling_.balances.begin(), coupling_.balances.end(), [&](const Balance& balance) {
          const int v = balance.axis.value;
          const auto entry = lost.find(balance.axis);
          if (entry == lost.end() || v == node.in[0] || v == node.in[1] || v == node.out)
            return true;
          return even(entry->second, balance);
        });
  }

  bool even(const std::vector<int>& lost, const Balance& balance) const {
    const int block = coupling_.widths.at(balance.axis) / balance.groups;
    std::vector<int> counts(static_cast<size_t>(balance.groups), 0);
    for (const int i : lost) ++counts[static_cast<size_t>(i / block)];
    return std::all_of(counts.begin(), counts.end(),
                       [&](int n) { return n == counts[0] && n < block; });
  }

  const Graph& graph_;
  const Coupling& coupling_;
  std::map<Channel, int> unit_of_;
  Nodes makers_, readers_;
  std::map<int, int> norms_;  // results of batch norms, by the factors that they read
};

std::string group_name(const Graph& graph, int node, size_t group) {
  return join("group ", group, " of ", graph.node_name(static_cast<size_t>(node)));
}

}  // namespace

Graph with_conv_group_scales(const Graph& graph) {
  const Coupling coupling = couple(graph);
  std::vector<std::string> ends;
  for (const GroupedLayer& layer : GroupFinder(graph, coupling).find())
    ends.push_back(graph.node_name(end_of(graph, layer.node)));
  require(!ends.empty(), "group scales: the network has no convolution whose groups could go");
  return with_scales_behind(graph, ends);
}

std::vector<Structure> conv_group_scales(Graph& graph) {
  const Coupling coupling = couple(graph);
  const std::vector<std::vector<int>> readers = consumers(graph);
  std::vector<Structure> scales;
  for (const GroupedLayer& layer : GroupFinder(graph, coupling).find()) {
    const Node& end = graph.nodes[end_of(graph, layer.node)];
    const std::vector<int>& behind = readers[static_cast<size_t>(end.out)];
    if (behind.size() != 1) continue;
    const Node& scale = graph.nodes[static_cast<size_t>(behind[0])];
    if (scale.op->name() != "channel_scale") continue;
    Parameter* p = graph.values[static_cast<size_t>(scale.in[1])].parameter.get();
    if (p == nullptr) continue;
    const size_t shared = p->value.size() / layer.units.size();
    for (size_t g = 0; g < layer.units.size(); ++g)
      scales.push_back({.name = group_name(graph, layer.node, g),
                        .numbers = p,
                        .first = g * shared,
                        .shared = shared});
  }
  return scales;
}

Graph without_conv_groups(const Graph& graph, const std::vector<std::string>& groups) {
  const Coupling coupling = couple(graph);
  std::map<std::string, std::set<int>> known;
  for (const GroupedLayer& layer : GroupFinder(graph, coupling).find())
    for (size_t g = 0; g < layer.units.size(); ++g)
      known[group_name(graph, layer.node, g)] = layer.units[g];
  std::vector<std::string> names;
  for (const auto& [name, units] : known) names.push_back(name);
  std::set<int> gone;
  for (const std::string& name : groups) {
    const auto entry = known.find(name);
    require(entry != known.end(), "the network has no '", name, "' that could go",
            suggestion(name, names));
    gone.insert(entry->second.begin(), entry->second.end());
  }
  return fold_scales(prune(graph, coupling, gone));
}

}  // namespace bonsai
