// First order Taylor expansion by weights: Molchanov et al. 2019, "Importance Estimation for
// Neural Network Pruning", a filter's contribution as a group.
//   score = the mean over batches of (sum over the filter of w dL/dw)^2
// The sum is what setting the whole filter to 0 changes, to first order, in the mean loss of the
// batch. (The sum of (w dL/dw)^2, which goes by the same name elsewhere, is the importance of the
// weights one by one: it forgets that they go together.) Behind batch norm only the part of the
// channel that varies with the filter counts, not beta: the form by gates (taylor.cpp) sees both.
// Several filters of a unit are averaged before the square, as gates are.
#include "compress/filters.h"

namespace bonsai {

Scores taylor_weights(const Evidence& evidence) {
  const std::map<int, Tensor>& products = evidence.gradients().filters;
  const int batches = products.empty() ? 0 : products.begin()->second.dim(0);
  Scores scores(evidence.coupling().units.size());
  for (int b = 0; b < batches; ++b) {
    const Scores means = mean_over_filters(evidence, [&](const Filter& filter) {
      const Tensor& of_tensor = products.at(filter.channel.axis.value);
      const size_t row = static_cast<size_t>(b) * static_cast<size_t>(of_tensor.dim(1));
      return double{of_tensor[row + static_cast<size_t>(filter.channel.index)]};
    });
    for (size_t u = 0; u < scores.size(); ++u) scores[u] += means[u] * means[u] / batches;
  }
  return scores;
}

}  // namespace bonsai
