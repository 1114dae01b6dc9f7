// Decomposition of convolutions into smaller ones: the first two steps of the 3C of He, Zhang and
// Sun 2017 (section 4.1.3), of which channel pruning (compress/reconstruct.h) is the third.
//
// Every convolution is tried in three forms (compress/factors.h): split spatially; that, with the
// channels of its second factor split as well; or split in channels alone. Two convolutions may
// have fewer multiplications than one and still take longer, on processors where a 3 x 3 needs
// few of its multiplications (Winograd) and every pass over memory counts. So each form is timed
// beside the one it would replace, and kept only where it is quicker.
//
// The last factor of each layer is then solved for on data, front to back, so that the layer
// answers as in the original network whatever earlier ones lost: least squares, and where nothing
// but a ReLU follows the fit that looks through it (compress/relu_fit.h).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "compress/graph_timer.h"
#include "compress/reconstruct.h"
#include "compress/relu_fit.h"

namespace bonsai {

struct DecomposeOptions {
  double part = 0.5;   // of a layer's multiply-accumulates that its first split leaves, at most
  int round_to = 1;    // ranks are multiples, where they are not too few for that
  int positions = 10;  // of a layer's output in each picture
  uint64_t seed = 1;
  GraphTimer timer = median_times;
  std::function<void(const std::string& layer, int done, int total)> progress = {};
  const std::atomic<bool>* stop = nullptr;  // true: give up soon
};

// A convolution, and what became of it.
struct DecomposedLayer {
  std::string name;
  int outputs = 0;
  int spatial = 0, channel = 0;      // ranks; 0: not split so
  double ms = 0, decomposed_ms = 0;  // alone; of the quickest form tried, kept or not
  RegressionError error = {},
                  held_out = {};  // of the last factor's linear fit; zeros where nothing was split
  ReluError relu = {};            // of the fit that took its place, where a ReLU follows
  bool is_split() const { return spatial > 0 || channel > 0; }
};

struct Decomposition {
  Graph graph;                          // values of the original keep their numbers
  std::vector<DecomposedLayer> layers;  // that could be split at all, in order of execution
};

// Nothing when stopped.
std::optional<Decomposition> decompose(const Graph& original, const Pictures& pictures,
                                       const DecomposeOptions& options = {});

}  // namespace bonsai
