// Inner loops of convolutions in which a group has so few channels that whole groups fit into one
// vector: depthwise convolutions (size 1) and groups of 2, 4 or 8 channels in and out. Every
// multiplication meets a whole vector of channels, whatever the size of a group. For an exchange e
// below the size, channel c ^ e is the e-th partner of channel c in its group, and
//   y[c] = sum over e of z[e][c ^ e],  z[e][c] = sum over taps of w[tap][e][c] x[tap][c],
// so that lanes trade places once per result and not in the sum. Weights stay in registers while
// the results of tiles, two by two, are computed, and what neighbours read is loaded once for all
// of them. One set of functions per instruction set, chosen once when the program starts.
#pragma once

#include <cstdint>
#include <span>

#include "engine/tensor.h"

namespace bonsai {

constexpr int lane_sizes = 4;   // of groups: 1, 2, 4 and 8 channels
constexpr int lane_slice = 16;  // channels of a call
constexpr int lane_lines = 5;   // most lines that two lines of results read

// The taps of a kernel, or some that are neighbours: as far apart as the results are, for 3x3 or at
// most 2x2 of them, or half as far, for 3x3.
struct LaneWindow {
  int lines, columns;
  bool half;
};

// One or two lines of results: pixel 0 of the lines that they read, one tap further each (null: a
// line outside the image), and where their first result lies.
struct LaneRow {
  const Scalar* x[lane_lines];
  int64_t y;
  int lines;
};

// What all rows have in common. Of a line: the pixel that the first tap of its first result reads,
// inside the image or not, how many pixels a tap is from the next, how many pixels x has, and how
// many results there are. Then distances in scalars: from pixel to pixel of x, and from one line
// and column to the next of results and of weights.
struct LaneLayout {
  int first, tap, width, results;
  int64_t x_pixel, y_line, y_column, w_line, w_column;
};

struct LaneKernels {
  // y[result + c] (+)= sum over the taps of the window and e < size of
  //   w[tap + e * lane_slice + (c ^ e)] x[result and tap + (c ^ e)]
  // for the results of all rows and c < lane_slice.
  using Forward = void (*)(std::span<const LaneRow> rows, const LaneLayout& layout, int channel,
                           const Scalar* w, Scalar* y, bool add);

  // dw[tap + e * lane_slice + c] += sum over the results of
  //   x[result and tap + c] dy[result + (c ^ e)]
  // for all taps of the window, e < size and c < lane_slice.
  using Weights = void (*)(std::span<const LaneRow> rows, const LaneLayout& layout, int channel,
                           const Scalar* dy, Scalar* dw);

  struct OfWindow {
    Forward forward[lane_sizes];
    Weights weights[lane_sizes];
  };
  OfWindow few[2][2], all, all_half;

  const OfWindow& of(const LaneWindow& window) const {
    if (window.lines == 3) return window.half ? all_half : all;
    return few[window.lines - 1][window.columns - 1];
  }
};

const LaneKernels& lane_kernels();

}  // namespace bonsai
