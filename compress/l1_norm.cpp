// The L1 norm of filters: Li et al. 2017, "Pruning Filters for Efficient ConvNets".
//   score = sum |w| over the filter that makes the channel
// Small weights make small activations, which later layers miss least. It needs no data.
//
// Biases and batch norm are not looked at, as in the paper. Two things the paper leaves open:
// - Filters of different size. The sum grows with the size of the filter, so it is divided by the
//   number of weights. Within one layer this changes no order; across layers it makes a 3x3 filter
//   on 64 channels comparable with a 1x1 filter on 512.
// - Several filters in one unit (the blocks of a residual stage). Their scores are averaged
//   (compress/filters.h).
// Limits: batch norm after the convolution makes the scale of a filter arbitrary, and initial
// weights shrink with the size of the filter (Kaiming), so compare layers with care, or use
// l1_folded.
#include "compress/filters.h"
#include "compress/norms.h"

namespace bonsai {

Scores l1_norm(const Evidence& evidence) {
  return mean_over_filters(evidence,
                           [](const Filter& filter) { return mean_magnitude(filter.weights); });
}

}  // namespace bonsai
