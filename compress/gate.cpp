// How far squeeze and excitation lets a channel through: Hu et al. 2018, "Squeeze-and-Excitation
// Networks", arXiv:1709.01507, look at these factors to see what a layer tells apart.
//   score = mean of the channel's gate over all calibration pictures, averaged over all gates that
//           scale the channel
// A channel that nothing gates passes whole: 1. Gates depend on the picture, so that they stay in
// the network; a layer without gates has equal scores and says nothing about which channels may go.
#include <vector>

#include "compress/criterion.h"
#include "compress/filters.h"
#include "compress/sites.h"
#include "engine/error.h"

namespace bonsai {

Scores gate(const Evidence& evidence) {
  const Graph& graph = evidence.graph();
  const auto& activity = evidence.activity();
  ChannelValues factors;
  for (const int value : gates(graph)) {
    const Activity& seen = activity.at(value);
    const int axis = static_cast<int>(graph.values[static_cast<size_t>(value)].shape.size()) - 1;
    std::vector<double>& means = factors[{value, axis}];
    for (const double sum : seen.magnitude) means.push_back(sum / static_cast<double>(seen.count));
  }
  require(!factors.empty(), "gate: the network has no squeeze and excitation");
  Scores scores;
  for (const Unit& unit : evidence.coupling().units) {
    scores.push_back(mean_over_channels(unit, factors).value_or(1));
  }
  return scores;
}

}  // namespace bonsai
