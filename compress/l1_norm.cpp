// The L1 norm of filters: Li et al. 2017, "Pruning Filters for Efficient ConvNets".
//   score = sum |w| over the filter that makes the channel
// Small weights make small activations, which later layers miss least. It needs no data.
//
// Biases and batch norm are not looked at, as in the paper. Two things the paper leaves open:
// - Filters of different size. The sum grows with the size of the filter, so it is divided by the
//   number of weights. Within one layer this changes no order; across layers it makes a 3x3 filter
//   on 64 channels comparable with a 1x1 filter on 512.
// - Several filters in one unit (the blocks of a residual stage). Their scores are averaged: each
//   block has one vote, whatever the size of its filters.
// Limits: batch norm after the convolution makes the scale of a filter arbitrary, and initial
// weights shrink with the size of the filter (Kaiming), so compare layers with care.
#include <cmath>
#include <map>

#include "compress/criterion.h"
#include "engine/channel_runs.h"

namespace bonsai {
namespace {

// The mean |w| of the numbers that make each of `width` channels of an axis.
std::vector<double> mean_magnitudes(const Tensor& w, int axis, int width) {
  std::vector<double> means(static_cast<size_t>(width));
  for_each_channel_run(w, axis, width, [&](size_t channel, size_t begin, size_t length) {
    for (size_t i = begin; i < begin + length; ++i) means[channel] += std::abs(double{w[i]});
  });
  for (double& mean : means) mean /= static_cast<double>(w.size()) / width;
  return means;
}

}  // namespace

Scores l1_norm(const Evidence& evidence) {
  std::map<Axis, std::vector<double>> filters;
  for (const Producer& producer : evidence.coupling.producers) {
    for (const Axis& axis : producer.parameters) {
      const Tensor& w = evidence.graph.values[static_cast<size_t>(axis.value)].parameter->value;
      if (w.rank() == 1) continue;  // a bias
      filters[axis] = mean_magnitudes(w, axis.axis, evidence.coupling.widths.at(axis));
    }
  }
  Scores scores;
  for (const Unit& unit : evidence.coupling.units) {
    double sum = 0;
    int count = 0;
    for (const Channel& channel : unit.channels) {
      const auto entry = filters.find(channel.axis);
      if (entry == filters.end()) continue;
      sum += entry->second[static_cast<size_t>(channel.index)];
      ++count;
    }
    scores.push_back(count > 0 ? sum / count : 0);
  }
  return scores;
}

}  // namespace bonsai
