// A step of the controller (compress/controller.h) after which the remaining weights are solved for
// by least squares, and whose units may be chosen by the LASSO or another rule
// (compress/reconstruct.h). How wide each group becomes is the step's.
//
// What is solved for answers as the last network that training led to. A trained network has its
// own way to answer, which its later layers learned to read: the original's responses would not fit
// them. Where nothing is trained, though, each step would aim at what the one before had left, and
// errors would add up: then every step begins at the original again, as long as the step's units
// are units there, and comes to what reconstruction would have made of it at once (He, Zhang and
// Sun 2017, section 3.2).
#pragma once

#include <optional>
#include <set>
#include <string>

#include "compress/reconstruct.h"
#include "data/dataset.h"

namespace bonsai {

struct SolveOptions {
  std::string selection = {};  // the rule that chooses units; empty: those that the step names go
  int pictures = 5000;         // training pictures to look at; 0: all
  ReconstructOptions reconstruction = {};
};

struct SolvedStep {
  Graph graph;          // pruned
  std::set<int> gone;   // units of the network that was cut
  bool chosen = false;  // by the rule
};

// `gone`: what the step names. The rule keeps as many units of each group; where it cannot, because
// the groups of convolutions must stay equal, the named ones go after all. Nothing when stopped.
std::optional<SolvedStep> solve_step(const Graph& graph, const std::set<int>& gone,
                                     const Dataset& data, const SolveOptions& options);

// `small` is what prune() left of `graph` without the units `earlier`: the units of `graph` that
// are gone when `more` of small's go as well. Nothing where channels hang together in `small` that
// did not before: a grouped convolution that keeps a channel per group is a depthwise one.
std::optional<std::set<int>> gone_together(const Graph& graph, const std::set<int>& earlier,
                                           const Graph& small, const std::set<int>& more);

}  // namespace bonsai
