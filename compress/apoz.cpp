// The average percentage of zeros: Hu et al. 2016, "Network Trimming: A Data-Driven Neuron Pruning
// Approach towards Efficient Deep Architectures".
//   score = 1 - APoZ, APoZ = the part of zeros among the channel's values behind its relu
// over all calibration pictures and positions, and averaged over all relus that carry the channel
// (in a residual network the one after the addition). It needs a relu or relu6: other activations
// are never exactly zero, and a layer without one has none to count.
// Limits: what later layers make of the channel is not looked at. One that is active on a picture
// in twenty and has large weights there is rated low, and missed.
#include "compress/filters.h"
#include "compress/sites.h"

namespace bonsai {

Scores apoz(const Evidence& evidence) {
  ChannelValues active;
  for (const int value : activated(evidence.graph(), {Activation::relu, Activation::relu6})) {
    const Activity& activity = evidence.activity().at(value);
    const int axis =
        static_cast<int>(evidence.graph().values[static_cast<size_t>(value)].shape.size()) - 1;
    for (const int64_t zeros : activity.zeros) {
      active[{value, axis}].push_back(1 - static_cast<double>(zeros) /
                                              static_cast<double>(activity.count));
    }
  }
  return mean_over_channels(evidence, active, "apoz: no relu counts zeros of",
                            "; the criterion mean_activation needs none");
}

}  // namespace bonsai
