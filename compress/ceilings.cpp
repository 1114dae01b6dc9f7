#include "compress/ceilings.h"

#include "compress/blocks.h"
#include "compress/choose.h"
#include "compress/prune.h"
#include "engine/cost.h"

namespace bonsai {
namespace {

Ceiling least_of(const Graph& graph, const Coupling& coupling, PruningMode mode, int round_to,
                 LayerTimes& times) {
  Ceiling ceiling{.mode = mode, .groups = 0, .blocks = 0, .least = network_cost(graph, times)};
  // Widths as moves ask for them (compress/moves.cpp): where the groups of convolutions allow no
  // multiple of the rounding, what comes nearest is kept.
  Budget budget;
  for (const Group& group : coupling.groups) {
    const int units = static_cast<int>(group.units.size());
    if (may_shrink(group, mode))
      budget.groups[group.name] = static_cast<double>(rounding(units, round_to)) / units;
  }
  ceiling.groups = static_cast<int>(budget.groups.size());
  if (ceiling.groups == 0) return ceiling;
  const Scores alike(coupling.units.size(), 0.0);
  ceiling.least =
      network_cost(prune(graph, coupling, choose(graph, coupling, alike, budget)), times);
  return ceiling;
}

}  // namespace

bool may_shrink(const Group& group, PruningMode mode) {
  return mode != PruningMode::inner || group.producers.size() == 1;
}

NetworkCost network_cost(const Graph& graph, LayerTimes& times) {
  const Cost cost = total_cost(graph);
  return {.macs = cost.macs, .params = cost.params, .ms = times.predict(graph)};
}

std::vector<Ceiling> ceilings(const Graph& graph, const Coupling& coupling, int round_to,
                              LayerTimes& times) {
  std::vector<Ceiling> all = {least_of(graph, coupling, PruningMode::inner, round_to, times),
                              least_of(graph, coupling, PruningMode::coupled, round_to, times)};
  Graph shorter = graph;
  int blocks = 0;
  for (auto left = removable_blocks(shorter); !left.empty(); left = removable_blocks(shorter)) {
    shorter = without_block(shorter, left.back());
    ++blocks;
  }
  all.push_back(least_of(shorter, couple(shorter), PruningMode::blocks, round_to, times));
  all.back().groups = all[1].groups;
  all.back().blocks = blocks;
  return all;
}

}  // namespace bonsai
