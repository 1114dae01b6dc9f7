#include "compress/solve_step.h"

#include <map>

#include "compress/choose.h"
#include "compress/prune.h"

namespace bonsai {

std::optional<SolvedStep> solve_step(const Graph& graph, const std::set<int>& gone,
                                     const Dataset& data, const SolveOptions& options) {
  const Coupling coupling = couple(graph);
  const Pictures pictures = sample_pictures(data.train, data.mean, data.std, options.pictures,
                                            options.reconstruction.seed);
  std::optional<Reconstruction> found;
  bool chosen = false;
  if (!options.selection.empty()) {
    const std::vector<int> widths = kept_units(coupling, gone);
    found = prune_by_reconstruction(graph, coupling, widths, find_selection(options.selection),
                                    pictures, options.reconstruction);
    if (!found) return std::nullopt;
    chosen = kept_units(coupling, found->gone) == widths;
  }
  if (!chosen) found = repair(graph, coupling, gone, pictures, options.reconstruction);
  if (!found) return std::nullopt;
  return SolvedStep{.graph = prune(found->graph, coupling, found->gone),
                    .gone = std::move(found->gone),
                    .chosen = chosen};
}

std::optional<std::set<int>> gone_together(const Graph& graph, const std::set<int>& earlier,
                                           const Graph& small, const std::set<int>& more) {
  const Coupling coupling = couple(graph);
  Keep kept;
  prune(graph, coupling, earlier, &kept);
  std::map<Channel, int> unit_of;  // by a unit's first channel
  for (size_t u = 0; u < coupling.units.size(); ++u)
    unit_of[coupling.units[u].channels.front()] = static_cast<int>(u);
  // prune() keeps the numbers of values and the order of channels.
  const Coupling left = couple(small);
  std::set<int> gone = earlier;
  for (const int unit : more) {
    const std::vector<Channel>& channels = left.units[static_cast<size_t>(unit)].channels;
    Channel first = channels.front();
    if (const std::vector<int>* indices = kept.find(first.axis))
      first.index = (*indices)[static_cast<size_t>(first.index)];
    const int before = unit_of.at(first);
    if (coupling.units[static_cast<size_t>(before)].channels.size() != channels.size())
      return std::nullopt;
    gone.insert(before);
  }
  return gone;
}

}  // namespace bonsai
