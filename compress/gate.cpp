// How far squeeze and excitation lets a channel through: Hu et al. 2018, "Squeeze-and-Excitation
// Networks", arXiv:1709.01507, look at these factors to see what a layer tells apart.
//   score = mean of the channel's gate over all calibration pictures, averaged over all gates that
//           scale the channel
// A channel that nothing gates passes whole: 1. Gates depend on the picture, so that they stay in
// the network; a layer without gates has equal scores and says nothing about which channels may go.
#include <map>

#include "compress/criterion.h"
#include "compress/sites.h"
#include "engine/error.h"

namespace bonsai {

Scores gate(const Evidence& evidence) {
  const Graph& graph = evidence.graph();
  const auto& activity = evidence.activity();
  std::map<Axis, const Activity*> gated;
  for (const int value : gates(graph)) {
    const int axis = static_cast<int>(graph.values[static_cast<size_t>(value)].shape.size()) - 1;
    gated[{value, axis}] = &activity.at(value);
  }
  require(!gated.empty(), "gate: the network has no squeeze and excitation");
  Scores scores;
  for (const Unit& unit : evidence.coupling().units) {
    double sum = 0;
    int count = 0;
    for (const Channel& channel : unit.channels) {
      const auto entry = gated.find(channel.axis);
      if (entry == gated.end()) continue;
      const Activity& seen = *entry->second;
      sum += seen.magnitude[static_cast<size_t>(channel.index)] / static_cast<double>(seen.count);
      ++count;
    }
    scores.push_back(count > 0 ? sum / count : 1);
  }
  return scores;
}

}  // namespace bonsai
