// Channel pruning by reconstruction: He, Zhang and Sun 2017, "Channel Pruning for Accelerating Very
// Deep Neural Networks". Front to back, each layer loses input channels (chosen by a LASSO on its
// response, or by another rule) and its remaining weights are solved for by least squares, so that
// it answers as it did in the original network. Nothing is trained.
//
// The paper's formulation, in exact form: every sample counts (compress/moments.h), exactly as many
// channels stay as were asked for, and the present weights are where the solution starts
// (compress/regression.h). Beyond the paper:
// - Channels are the units of compress/couple.h. Where several layers read the same channels (a
//   residual stage), the channels are chosen for all of these layers together, and each is then
//   solved for when its turn comes. Or, as in the paper, each of them chooses for itself through a
//   sampler in front of it, and the stage keeps its width: for that, give the graph and the
//   coupling of compress/samplers.h, to which nothing here is special.
// - A layer is solved for before its batch norm. The constant that is missing goes into beta, and
//   the running statistics become those of the new response, with gamma and beta turned so that
//   the network's function stays: fine-tuning, which normalises by the batch, begins from there.
// - A grouped convolution is solved for group by group. A depthwise one has nothing to solve for:
//   each of its channels is made of one channel alone.
// - A layer without bias and batch norm is solved for without a constant.
// With 100 pictures or more, every tenth is held out until there are 2048 such samples; they judge
// how strongly a layer's weights are held to what they were, and what the errors really are.
// Two kinds of layers are left as they are, and say so: those that read more than 8192 numbers at
// once, whose moments would not fit memory, and transposed convolutions, whose outputs read
// different taps by their position, so that one regression does not say it all.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "compress/couple.h"
#include "compress/criterion.h"
#include "compress/least_squares.h"
#include "compress/rerun.h"
#include "compress/selection.h"

namespace bonsai {

struct ReconstructOptions {
  int positions = 10;  // of a layer's output in each picture
  uint64_t seed = 1;
  bool residual_target = true;  // see CollectOptions
  bool compare = false;         // also try every other selection rule on each layer
  std::function<void(const std::string& layer, int done, int total)> progress = {};
  const std::atomic<bool>* stop = nullptr;  // true: give up soon
};

// What a rule would have led to at one layer.
struct Trial {
  std::string selection;
  RegressionError error = {}, held_out = {};  // as of RegressionFit
};

struct ReconstructedLayer {
  std::string name;
  int channels = 0, kept = 0;                  // of its input
  RegressionError error = {}, held_out = {};   // as of RegressionFit; zeros when it is unsolved
  std::string unsolved = {};                   // why its weights were left; then the errors are 0
  std::vector<Trial> trials = {};              // when compared, and channels were chosen here
  std::optional<LassoSolution> solution = {};  // of the LASSO that chose its channels
};

struct Reconstruction {
  Graph graph;         // of the original's size, with zeros in place of what is gone: prune() it
  std::set<int> gone;  // units
  // That lost channels, in order of execution; transposed convolutions come last.
  std::vector<ReconstructedLayer> layers;
};

// Chooses and reconstructs. `widths`: how many units each group keeps. Nothing when stopped.
std::optional<Reconstruction> prune_by_reconstruction(
    const Graph& original, const Coupling& coupling, const std::vector<int>& widths,
    const Selection& selection, const Pictures& pictures, const ReconstructOptions& options = {});

// Reconstructs after units were chosen by any other means.
std::optional<Reconstruction> repair(const Graph& original, const Coupling& coupling,
                                     const std::set<int>& gone, const Pictures& pictures,
                                     const ReconstructOptions& options = {});

}  // namespace bonsai
