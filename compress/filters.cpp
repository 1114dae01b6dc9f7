#include "compress/filters.h"

#include <utility>

#include "engine/channel_runs.h"
#include "engine/error.h"

namespace bonsai {
namespace {

const std::string& group_name(const Coupling& coupling, const Unit& unit) {
  return coupling.groups[static_cast<size_t>(unit.group)].name;
}

// A tensor of filters, taken apart: of each channel of the axis. None of a bias.
std::vector<Filter> filters_of_axis(const Graph& graph, const Coupling& coupling, int producer,
                                    Axis axis) {
  const Tensor& w = graph.values[static_cast<size_t>(axis.value)].parameter->value;
  if (w.rank() == 1) return {};
  const int width = coupling.widths.at(axis);
  std::vector<Filter> filters;
  for (int i = 0; i < width; ++i)
    filters.push_back({.channel = {axis, i}, .producer = producer, .weights = {}});
  for_each_channel_run(w, axis.axis, width, [&](size_t channel, size_t begin, size_t length) {
    std::vector<Scalar>& weights = filters[channel].weights;
    weights.insert(weights.end(), w.data() + begin, w.data() + begin + length);
  });
  return filters;
}

// Of all producers that make units.
template <class Visit>
void for_each_filter_axis(const Graph& graph, const Coupling& coupling, const Visit& visit) {
  for (const Group& group : coupling.groups)
    for (const int p : group.producers)
      for (const Axis& axis : coupling.producers[static_cast<size_t>(p)].parameters)
        visit(axis, filters_of_axis(graph, coupling, p, axis));
}

constexpr std::string_view no_weights = "criterion: no weights make";

}  // namespace

std::vector<std::vector<Filter>> filters_of_units(const Graph& graph, const Coupling& coupling) {
  AxisTable<std::vector<Filter>> by_axis;
  for_each_filter_axis(graph, coupling, [&](Axis axis, std::vector<Filter> filters) {
    by_axis[axis] = std::move(filters);
  });
  std::vector<std::vector<Filter>> all;
  for (const Unit& unit : coupling.units) {
    std::vector<Filter>& filters = all.emplace_back();
    for (const Channel& channel : unit.channels) {
      std::vector<Filter>& there = by_axis[channel.axis];
      if (!there.empty()) filters.push_back(std::move(there[static_cast<size_t>(channel.index)]));
    }
    require(!filters.empty(), no_weights, " the channels of ", group_name(coupling, unit));
  }
  return all;
}

Scores mean_over_filters(const Evidence& evidence,
                         const std::function<double(const Filter&)>& measure) {
  ChannelValues values;
  for_each_filter_axis(evidence.graph(), evidence.coupling(),
                       [&](Axis axis, const std::vector<Filter>& filters) {
                         std::vector<double> measured;
                         for (const Filter& filter : filters) measured.push_back(measure(filter));
                         values[axis] = std::move(measured);
                       });
  return mean_over_channels(evidence, values, no_weights);
}

std::optional<double> mean_over_channels(const Unit& unit, const ChannelValues& values) {
  double sum = 0;
  int count = 0;
  for (const Channel& channel : unit.channels) {
    const std::vector<double>* numbers = values.find(channel.axis);
    if (numbers == nullptr || numbers->empty()) continue;
    sum += (*numbers)[static_cast<size_t>(channel.index)];
    ++count;
  }
  return count > 0 ? std::optional(sum / count) : std::nullopt;
}

Scores mean_over_channels(const Evidence& evidence, const ChannelValues& values,
                          std::string_view missing, std::string_view advice) {
  Scores scores;
  for (const Unit& unit : evidence.coupling().units) {
    const std::optional<double> mean = mean_over_channels(unit, values);
    require(mean.has_value(), missing, " the channels of ", group_name(evidence.coupling(), unit),
            advice);
    scores.push_back(*mean);
  }
  return scores;
}

}  // namespace bonsai
