// The L1 norm of filters as they act: with the batch norm that follows folded into them,
//   w' = w gamma / sqrt(var + eps).
// Li et al. 2017 score the weights as they are stored. Behind them a batch norm undoes any scale:
// a filter times 10 computes the same, and its norm says so only after folding. A producer without
// a batch norm of its own (engine/passes.h folds the same ones) is scored as it is stored.
#include <cmath>

#include "compress/filters.h"
#include "compress/norms.h"
#include "compress/sites.h"

namespace bonsai {
Scores l1_folded(const Evidence& evidence) {
  const std::vector<Site> all = sites(evidence.graph(), evidence.coupling());
  return mean_over_filters(evidence, [&](const Filter& filter) {
    const Site& site = all[static_cast<size_t>(filter.producer)];
    return mean_magnitude(filter.weights) *
           std::abs(scale_at(evidence.graph(), site, filter.channel.index));
  });
}

}  // namespace bonsai
