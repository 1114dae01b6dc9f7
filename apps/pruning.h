// The options of pruning and what they lead to.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apps/reconstruction.h"
#include "compress/ceilings.h"
#include "compress/choose.h"
#include "compress/decompose.h"
#include "compress/samplers.h"
#include "data/dataset.h"
#include "engine/graph.h"

namespace CLI {
class App;
}

namespace bonsai::app {

struct PruningArguments {
  std::string criterion = "l1";
  std::string target;               // "macs=0.5"
  std::optional<double> ratio;      // part of its channels that every layer keeps
  std::vector<std::string> ratios;  // "features.0=0.5"
  std::string mode = "coupled";     // which layers may be pruned: a PruningMode, or "sampled"
  int round_to = 8;                 // a vector of AVX, two of NEON
  bool fold_constants = false, recalibrate = false;
  ReconstructionArguments reconstruction;
  std::optional<int> calibration;  // training pictures to look at; 0: all

  bool samples() const { return mode == "sampled"; }
};
void add_criterion(CLI::App& parser, std::string& criterion);
void require_criterion(const std::string& criterion);  // throws UsageError when it does not exist
// Likewise; and when the mode is "sampled", which is for pruning at once.
PruningMode pruning_mode(const PruningArguments& pruning);

// `target`: what is aimed at when nothing is asked for; empty: something must be asked for.
void add_pruning(CLI::App& parser, PruningArguments& pruning, const std::string& target);

// Throws UsageError on a criterion that does not exist, on what looks at pictures when there are
// none, a ratio outside 0 .. 1, or no aim at all.
void check(const PruningArguments& pruning, bool has_data);

struct Pruned {
  Graph graph;
  std::vector<DecomposedLayer> decomposed = {};  // empty unless by 3C
  std::vector<SampledLayer> sampled = {};        // empty unless by samplers
  std::vector<ReconstructedLayer> layers = {};   // empty unless pruned by reconstruction
};
// `data`: null when there is none. The seed is of the choice of pictures and of random criteria;
// all else that decides is `timer`. Throws UsageError when a layer does not exist.
Pruned pruned(const Graph& graph, const PruningArguments& pruning, const Dataset* data,
              uint64_t seed, const GraphTimer& timer = median_times);
std::string description(const PruningArguments& pruning);  // "to 50 % of its MACs by l1"

}  // namespace bonsai::app
