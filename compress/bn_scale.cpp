// Batch norm's own factor: Liu et al. 2017, "Learning Efficient Convolutional Networks through
// Network Slimming".
//   score = |gamma|, averaged over all batch norms that carry the channel, and over factors of
//           its own (compress/explicit_scales.h)
// The paper trains with a penalty on |gamma| first, which drives many to zero; without it the
// factors say less. A channel that no batch norm carries has no score.
#include <cmath>

#include "compress/filters.h"

namespace bonsai {

Scores bn_scale(const Evidence& evidence) {
  ChannelValues gammas;
  for (const Node& node : evidence.graph().nodes) {
    if (node.op->name() != "batch_norm" && node.op->name() != "channel_scale") continue;
    const auto& parameter = evidence.graph().values[static_cast<size_t>(node.in[1])].parameter;
    if (!parameter) continue;
    std::vector<double>& magnitudes = gammas[{node.in[1], 0}];
    magnitudes.clear();  // a layer that is applied twice
    for (size_t c = 0; c < parameter->value.size(); ++c) {
      magnitudes.push_back(std::abs(double{parameter->value[c]}));
    }
  }
  return mean_over_channels(evidence, gammas, "bn_scale: no batch norm scales");
}

}  // namespace bonsai
