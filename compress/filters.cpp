#include "compress/filters.h"

#include "engine/error.h"

namespace bonsai {
namespace {

const std::string& group_name(const Coupling& coupling, const Unit& unit) {
  return coupling.groups[static_cast<size_t>(unit.group)].name;
}

// The producer of each tensor of filters.
std::map<Axis, int> filter_axes(const Graph& graph, const Coupling& coupling) {
  std::map<Axis, int> producers;
  for (size_t p = 0; p < coupling.producers.size(); ++p) {
    for (const Axis& axis : coupling.producers[p].parameters) {
      const Tensor& w = graph.values[static_cast<size_t>(axis.value)].parameter->value;
      if (axis.axis == 0 && w.rank() > 1) producers[axis] = static_cast<int>(p);  // not a bias
    }
  }
  return producers;
}

}  // namespace

std::vector<std::vector<Filter>> filters_of_units(const Graph& graph, const Coupling& coupling) {
  const std::map<Axis, int> producers = filter_axes(graph, coupling);
  std::vector<std::vector<Filter>> all;
  for (const Unit& unit : coupling.units) {
    std::vector<Filter>& filters = all.emplace_back();
    for (const Channel& channel : unit.channels) {
      const auto entry = producers.find(channel.axis);
      if (entry == producers.end()) continue;
      const Tensor& w = graph.values[static_cast<size_t>(channel.axis.value)].parameter->value;
      const size_t length = w.size() / static_cast<size_t>(w.dim(0));
      filters.push_back(
          {.channel = channel,
           .producer = entry->second,
           .weights = {w.data() + static_cast<size_t>(channel.index) * length, length}});
    }
    require(!filters.empty(), "criterion: no weights make the channels of ",
            group_name(coupling, unit));
  }
  return all;
}

Scores mean_over_filters(const Evidence& evidence,
                         const std::function<double(const Filter&)>& measure) {
  Scores scores;
  for (const std::vector<Filter>& filters :
       filters_of_units(evidence.graph(), evidence.coupling())) {
    double sum = 0;
    for (const Filter& filter : filters) sum += measure(filter);
    scores.push_back(sum / static_cast<double>(filters.size()));
  }
  return scores;
}

Scores mean_over_channels(const Evidence& evidence, const ChannelValues& values,
                          std::string_view missing) {
  Scores scores;
  for (const Unit& unit : evidence.coupling().units) {
    double sum = 0;
    int count = 0;
    for (const Channel& channel : unit.channels) {
      const auto entry = values.find(channel.axis);
      if (entry == values.end()) continue;
      sum += entry->second[static_cast<size_t>(channel.index)];
      ++count;
    }
    require(count > 0, missing, " the channels of ", group_name(evidence.coupling(), unit));
    scores.push_back(sum / count);
  }
  return scores;
}

}  // namespace bonsai
