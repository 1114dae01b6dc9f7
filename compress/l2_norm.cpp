// The L2 norm of filters: He et al. 2018, "Soft Filter Pruning for Accelerating Deep Convolutional
// Neural Networks".
//   score = sqrt(sum w^2 / n) over the filter of n weights that makes the channel
// Divided by the size of the filter and averaged over the filters of a unit as in l1_norm.cpp. The
// two norms differ where filters are peaked to different degrees: of two with the same L1 norm the
// one with few large weights has the larger L2 norm. Where all filters are about as peaked (normal
// weights: L1 / L2 = sqrt(2 n / pi) for all of them), both choose the same.
#include "compress/filters.h"
#include "compress/norms.h"

namespace bonsai {

Scores l2_norm(const Evidence& evidence) {
  return mean_over_filters(evidence,
                           [](const Filter& filter) { return root_mean_square(filter.weights); });
}

}  // namespace bonsai
