// The norm of all that a unit consists of: Fang et al. 2023, "DepGraph: Towards Any Structural
// Pruning", arXiv:2301.12900, section 3.3.
//   score = sqrt(the sum of squares of all trainable numbers of the unit) / its mean in the group
// The filters that make a channel, batch norm's numbers and the weights that read it count alike. A
// layer with large weights or many readers has large norms throughout, so each is seen against its
// group's mean, which makes groups comparable. Meant for networks that were trained with the
// penalty of compress/group_sparsity.h.
#include "compress/criterion.h"
#include "compress/group_sparsity.h"

namespace bonsai {

Scores group_norm(const Evidence& evidence) {
  const Graph& graph = evidence.graph();
  const Coupling& coupling = evidence.coupling();
  Scores scores = unit_norms(graph, coupling, unit_weights(graph, coupling));
  for (const Group& group : coupling.groups) {
    double sum = 0;
    for (const int u : group.units) sum += scores[static_cast<size_t>(u)];
    if (sum <= 0) continue;  // a silent layer
    const double mean = sum / static_cast<double>(group.units.size());
    for (const int u : group.units) scores[static_cast<size_t>(u)] /= mean;
  }
  return scores;
}

}  // namespace bonsai
