#include "compress/traits.h"

#include <map>
#include <set>

#include "compress/effective_rank.h"
#include "compress/sites.h"

namespace bonsai {
namespace {

const Shape& shape_of(const Graph& graph, int value) {
  return graph.values[static_cast<size_t>(value)].shape;
}

Axis channel_axis(const Graph& graph, int value) {
  return {value, static_cast<int>(shape_of(graph, value).size()) - 1};
}

// The groups of the units on each axis.
std::map<Axis, std::set<int>> groups_on_axes(const Coupling& coupling) {
  std::map<Axis, std::set<int>> groups;
  for (const Unit& unit : coupling.units) {
    for (const Channel& channel : unit.channels) groups[channel.axis].insert(unit.group);
  }
  return groups;
}

// Heights of maps on which a group's layers and readers work.
using Heights = std::vector<std::set<int>>;

void note_height(const Graph& graph, int value, std::set<int>& heights) {
  const Shape& shape = shape_of(graph, value);
  if (shape.size() == 4) heights.insert(shape[1]);
}

// Layers and readers of every group, and where the map changes.
void look_at_layers(const Graph& graph, const Coupling& coupling,
                    const std::map<Axis, std::set<int>>& groups_on,
                    std::vector<GroupTraits>& traits) {
  Heights heights(traits.size());
  for (const Producer& producer : coupling.producers) {
    const Node& node = graph.nodes[static_cast<size_t>(producer.node)];
    const auto note = [&](int group) {
      note_height(graph, node.in[0], heights[static_cast<size_t>(group)]);
      note_height(graph, node.out, heights[static_cast<size_t>(group)]);
    };
    const auto written = groups_on.find(producer.output);
    if (written != groups_on.end()) {
      for (const int g : written->second) {
        ++traits[static_cast<size_t>(g)].layers;
        note(g);
      }
    }
    const auto read = groups_on.find(channel_axis(graph, node.in[0]));
    if (read != groups_on.end()) {
      for (const int g : read->second) {
        ++traits[static_cast<size_t>(g)].readers;
        note(g);
      }
    }
  }
  for (size_t g = 0; g < traits.size(); ++g) traits[g].stage_boundary = heights[g].size() > 1;
}

// Per group: the value that stands for it.
std::vector<int> standing_values(const Graph& graph, const Coupling& coupling,
                                 const std::map<Axis, std::set<int>>& groups_on) {
  const std::vector<Site> all = sites(graph, coupling);
  std::vector<int> values;
  for (const Group& group : coupling.groups) {
    values.push_back(all[static_cast<size_t>(group.producers.back())].value);
  }
  for (const int value : activated(graph, feature_activations())) {
    const auto on = groups_on.find(channel_axis(graph, value));
    if (on == groups_on.end() || on->second.size() != 1) continue;
    const int group = *on->second.begin();
    std::set<int> units;
    for (const int u : coupling.groups[static_cast<size_t>(group)].units) {
      for (const Channel& channel : coupling.units[static_cast<size_t>(u)].channels) {
        if (channel.axis == on->first) units.insert(u);
      }
    }
    const bool all_of_them =
        units.size() == coupling.groups[static_cast<size_t>(group)].units.size();
    if (all_of_them) values[static_cast<size_t>(group)] = value;
  }
  return values;
}

}  // namespace

std::vector<GroupTraits> traits_of_groups(const Graph& graph, const Coupling& coupling,
                                          std::span<const Batch> pictures) {
  std::vector<GroupTraits> traits(coupling.groups.size());
  const std::map<Axis, std::set<int>> groups_on = groups_on_axes(coupling);
  look_at_layers(graph, coupling, groups_on, traits);
  const std::vector<int> values = standing_values(graph, coupling, groups_on);
  std::vector<Covariance> covariances(traits.size());
  Graph copy = graph;
  for (const Batch& batch : pictures) {
    const std::vector<Tensor> taken = taps(copy, batch.images, values);
    for (size_t g = 0; g < traits.size(); ++g) covariances[g].add(taken[g]);
  }
  for (size_t g = 0; g < traits.size(); ++g) {
    traits[g].channels = shape_of(graph, values[g]).back();
    traits[g].effective_rank = effective_rank(covariances[g]);
  }
  return traits;
}

}  // namespace bonsai
