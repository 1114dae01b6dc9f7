// Runs the original and the changed network side by side over the calibration pictures and sums up
// what layers read and what their responses lack.
//
// At a few positions of every picture, drawn without replacement, a layer's row is the patch that
// it reads in the changed network, and its lack is
//   D = a (y_original - y_changed),
// a the factor of the batch norm that follows, so that outputs count as the network sees them. The
// target being the original's response, a layer makes up for what earlier ones lost (He, Zhang and
// Sun 2017, section 3.2). Where the response is added to something that is computed earlier, its
// difference is made up for as well: the last layer of a residual branch aims at
// Y1 - Y1' + Y2 (section 3.3), with Y1' the shortcut as it has become.
#pragma once

#include <atomic>
#include <span>
#include <vector>

#include "compress/mixer.h"
#include "compress/regression.h"
#include "compress/rerun.h"

namespace bonsai {

struct CollectOptions {
  int positions = 10;  // per picture, at most
  uint64_t seed = 1;
  bool residual_target = true;  // the last layer of a branch aims at Y1 - Y1' + Y2; false: at Y2
  const std::atomic<bool>* stop = nullptr;  // true: give up after this batch
};

// A layer to look at. Outputs whose scale is 0 are left alone: nobody reads them.
struct Collected {
  Mixer mixer;
  std::vector<double> scales;  // per output: a
  int samples = 0;             // rows to keep as well, besides their sums: the first ones
};

class Collector {
 public:
  // Graphs and pictures are the caller's; `changed` may change its parameters in between, but for
  // those that lie before a node that was settled (see Rerun). Values that both have have the same
  // numbers, and a layer's result is one of them; nodes may differ (compress/split_layer.h).
  Collector(const Graph& original, const Graph& changed, const Pictures& pictures,
            const CollectOptions& options);

  void settle(int node);  // of the changed network

  // Per layer a regression for each of its groups. Empty when stopped.
  std::vector<std::vector<Regression>> collect(std::span<const Collected> layers);

 private:
  const Graph& original_;
  const Graph& changed_;
  const Pictures& pictures_;
  CollectOptions options_;
  int batch_;
  Rerun run_original_, run_changed_;
};

// `wanted` different numbers of 0 .. n-1, or all, ascending; they depend on the seed, the picture
// and n alone.
std::vector<int> sample_positions(int n, int wanted, uint64_t seed, int picture);

}  // namespace bonsai
