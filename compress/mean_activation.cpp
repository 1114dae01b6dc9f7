// The mean magnitude of activations, one of the criteria that Molchanov et al. 2017 compare
// ("Pruning Convolutional Neural Networks for Resource Efficient Inference").
//   score = mean |a| over all calibration pictures and positions
// It is taken behind the activation that follows the layer, at the layer's site (compress/sites.h)
// where none does (the last convolution of a residual branch), and behind every later activation
// that carries the channel (the one after the addition); the score is the mean of these.
#include <set>

#include "compress/filters.h"
#include "compress/sites.h"

namespace bonsai {

Scores mean_activation(const Evidence& evidence) {
  const Graph& graph = evidence.graph();
  const std::vector<int> features = activated(graph, feature_activations());
  const std::set<int> activated_values(features.begin(), features.end());
  std::set<int> looked_at = activated_values;
  const std::vector<std::vector<int>> readers = consumers(graph);
  for (const Site& site : sites(graph, evidence.coupling())) {
    const std::vector<int>& list = readers[static_cast<size_t>(site.value)];
    const bool follows = list.size() == 1 &&
                         activated_values.count(graph.nodes[static_cast<size_t>(list[0])].out) != 0;
    if (!follows) looked_at.insert(site.value);
  }
  ChannelValues means;
  for (const int value : looked_at) {
    const Activity& activity = evidence.activity().at(value);
    const int axis = static_cast<int>(graph.values[static_cast<size_t>(value)].shape.size()) - 1;
    for (const double sum : activity.magnitude) {
      means[{value, axis}].push_back(sum / static_cast<double>(activity.count));
    }
  }
  return mean_over_channels(evidence, means, "mean_activation: nothing shows");
}

}  // namespace bonsai
