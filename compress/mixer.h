// Mixers: the nodes whose outputs are weighted sums over their input channels, which is where a
// removed channel is missed and where its loss can be made up for: convolutions, unless depthwise,
// and fully connected layers. Written as a regression, a mixer is
//   y[row] = W x[row] + b
// with a row for every output position of every picture, and x[row] the patch that is read there.
// A grouped convolution is one such regression for every group.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/graph.h"

namespace bonsai {

struct Mixer {
  int node = 0;
  int x = 0, w = 0, y = 0;  // values
  int bias = -1;            // value; -1: none
  int norm = -1;            // node of the batch norm that alone reads y; -1: none
  int kh = 1, kw = 1, stride = 1, padding = 0, dilation = 1, groups = 1;
  int in = 0, out = 0;                // channels
  int in_h = 1, in_w = 1;             // of x, of one picture
  int positions = 1, position_w = 1;  // of y, and how many of them lie side by side

  int taps() const { return kh * kw; }
  int block_in() const { return in / groups; }
  int block_out() const { return out / groups; }
  // Of a patch, and of the weights of one output: [kh, kw, in / groups].
  int columns() const { return taps() * block_in(); }
  // A constant can be added to its outputs, through a bias or the batch norm's beta.
  bool has_intercept() const { return bias >= 0 || norm >= 0; }
};

// In order of execution. Throws Error on two nodes that share weights, which no change fits both,
// and on an activation that is fused into its producer, whose inside nobody sees.
std::vector<Mixer> mixers(const Graph& graph);

// By what the batch norm after the mixer multiplies each output, gamma / sqrt(var + eps); ones
// without a batch norm. [out]
std::vector<double> output_scales(const Graph& graph, const Mixer& mixer);

// What bias and batch norm add to each output after that: beta + a (b - mean), or the bias alone.
// [out]
std::vector<double> output_offsets(const Graph& graph, const Mixer& mixer);

// The other operand of the addition that alone reads the mixer's output (or its batch norm's), if
// that operand is computed earlier; -1: there is no such thing.
int earlier_operand(const Graph& graph, const Mixer& mixer);

// What the outputs of group `block` read at `position` of one picture: x [in_h, in_w, in] ->
// patch [kh, kw, in / groups], zeros in the padding.
void copy_patch(const Mixer& mixer, int block, const Scalar* x, int position, Scalar* patch);

}  // namespace bonsai
