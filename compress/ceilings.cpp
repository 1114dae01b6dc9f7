#include "compress/ceilings.h"

#include "compress/choose.h"
#include "compress/prune.h"
#include "engine/cost.h"

namespace bonsai {
namespace {

// Any part this small leaves a group its least.
constexpr double next_to_nothing = 1e-9;

}  // namespace

bool may_shrink(const Group& group, PruningMode mode) {
  return mode == PruningMode::coupled || group.producers.size() == 1;
}

NetworkCost network_cost(const Graph& graph, LayerTimes& times) {
  const Cost cost = total_cost(graph);
  return {.macs = cost.macs, .params = cost.params, .ms = times.predict(graph)};
}

std::vector<Ceiling> ceilings(const Graph& graph, const Coupling& coupling, int round_to,
                              LayerTimes& times) {
  const Scores alike(coupling.units.size(), 0.0);
  std::vector<Ceiling> all;
  for (const PruningMode mode : {PruningMode::inner, PruningMode::coupled}) {
    Ceiling ceiling{.mode = mode, .groups = 0, .least = network_cost(graph, times)};
    Budget budget{.round_to = round_to};
    for (const Group& group : coupling.groups)
      if (may_shrink(group, mode)) budget.groups[group.name] = next_to_nothing;
    ceiling.groups = static_cast<int>(budget.groups.size());
    if (ceiling.groups > 0) {
      const std::set<int> gone = choose(graph, coupling, alike, budget);
      ceiling.least = network_cost(prune(graph, coupling, gone), times);
    }
    all.push_back(ceiling);
  }
  return all;
}

}  // namespace bonsai
