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
namespace {

// |gamma| / sqrt(var + eps) of one channel.
double scale(const Graph& graph, const Node& norm, int channel) {
  const auto number = [&](size_t input) {
    const int v = norm.in[input];
    return double{
        graph.values[static_cast<size_t>(v)].parameter->value[static_cast<size_t>(channel)]};
  };
  const double eps = std::get<double>(norm.op->attributes().at("eps"));
  return std::abs(number(1)) / std::sqrt(number(4) + eps);
}

}  // namespace

Scores l1_folded(const Evidence& evidence) {
  const Graph& graph = evidence.graph();
  const std::vector<Site> all = sites(graph, evidence.coupling());
  return mean_over_filters(evidence, [&](const Filter& filter) {
    const int norm = all[static_cast<size_t>(filter.producer)].norm;
    const double stored = mean_magnitude(filter.weights);
    if (norm < 0) return stored;
    return stored * scale(graph, graph.nodes[static_cast<size_t>(norm)], filter.channel.index);
  });
}

}  // namespace bonsai
