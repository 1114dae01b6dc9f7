#include "compress/filters.h"

#include <utility>

#include "engine/channel_runs.h"
#include "engine/error.h"

namespace bonsai {
namespace {

const std::string& group_name(const Coupling& coupling, const Unit& unit) {
  return coupling.groups[static_cast<size_t>(unit.group)].name;
}

// A tensor of filters, taken apart.
struct Filters {
  int producer;
  std::vector<std::vector<Scalar>> weights;  // of each channel
};

std::map<Axis, Filters> filters_of_axes(const Graph& graph, const Coupling& coupling) {
  std::map<Axis, Filters> all;
  for (size_t p = 0; p < coupling.producers.size(); ++p) {
    for (const Axis& axis : coupling.producers[p].parameters) {
      const Tensor& w = graph.values[static_cast<size_t>(axis.value)].parameter->value;
      if (w.rank() == 1) continue;  // a bias
      const int width = coupling.widths.at(axis);
      Filters filters{static_cast<int>(p), {}};
      filters.weights.resize(static_cast<size_t>(width));
      for_each_channel_run(w, axis.axis, width, [&](size_t channel, size_t begin, size_t length) {
        std::vector<Scalar>& row = filters.weights[channel];
        row.insert(row.end(), w.data() + begin, w.data() + begin + length);
      });
      all.emplace(axis, std::move(filters));
    }
  }
  return all;
}

}  // namespace

std::vector<std::vector<Filter>> filters_of_units(const Graph& graph, const Coupling& coupling) {
  const std::map<Axis, Filters> axes = filters_of_axes(graph, coupling);
  std::vector<std::vector<Filter>> all;
  for (const Unit& unit : coupling.units) {
    std::vector<Filter>& filters = all.emplace_back();
    for (const Channel& channel : unit.channels) {
      const auto entry = axes.find(channel.axis);
      if (entry == axes.end()) continue;
      filters.push_back({.channel = channel,
                         .producer = entry->second.producer,
                         .weights = entry->second.weights[static_cast<size_t>(channel.index)]});
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

std::optional<double> mean_over_channels(const Unit& unit, const ChannelValues& values) {
  double sum = 0;
  int count = 0;
  for (const Channel& channel : unit.channels) {
    const auto entry = values.find(channel.axis);
    if (entry == values.end()) continue;
    sum += entry->second[static_cast<size_t>(channel.index)];
    ++count;
  }
  return count > 0 ? std::optional(sum / count) : std::nullopt;
}

Scores mean_over_channels(const Evidence& evidence, const ChannelValues& values,
                          std::string_view missing) {
  Scores scores;
  for (const Unit& unit : evidence.coupling().units) {
    const std::optional<double> mean = mean_over_channels(unit, values);
    require(mean.has_value(), missing, " the channels of ", group_name(evidence.coupling(), unit));
    scores.push_back(*mean);
  }
  return scores;
}

}  // namespace bonsai
