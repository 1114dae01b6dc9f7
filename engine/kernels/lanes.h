// Inner loops of convolutions in which a group has so few channels that whole groups fit into one
// vector: depthwise convolutions (size 1) and groups of 2, 4 or 8 channels in and out. Every
// multiplication meets a whole vector of channels, whatever the size of a group. For an exchange e
// below the size, channel c ^ e is the e-th partner of channel c in its group, and
//   y[c] = sum over e of z[e][c ^ e],  z[e][c] = sum over taps of w[tap][e][c] x[tap][c],
// so that lanes trade places once per result and not in the sum. One set of functions per
// instruction set, chosen once when the program starts.
#pragma once

#include <cstdint>

#include "engine/tensor.h"

namespace bonsai {

constexpr int lane_sizes = 4;  // of groups: 1, 2, 4 and 8 channels

// A tap of a line of results: result q reads x[q * x_step + c], inside the image for
// first <= q < last, and its weights [size][channels] begin at w of all.
struct LaneTap {
  const Scalar* x;
  int64_t w;
  int first, last;
};

struct LaneKernels {
  // y[q * y_step + c] (+)= sum over the taps and e < size of
  //   w[tap.w + e * channels + (c ^ e)] tap.x[q * x_step + (c ^ e)]
  // for begin <= q < end and c < channels, a multiple of the size.
  using Forward = void (*)(const LaneTap* taps, int count, int64_t x_step, int begin, int end,
                           int channels, const Scalar* w, Scalar* y, int64_t y_step, bool add);
  Forward forward[lane_sizes];

  // dw[tap.w + e * channels + c] += sum over begin <= q < end of
  //   tap.x[q * x_step + c] dy[q * channels + (c ^ e)]
  // for all taps, e < size and c < channels, a multiple of the size.
  using Weights = void (*)(const LaneTap* taps, int count, int64_t x_step, int begin, int end,
                           int channels, const Scalar* dy, Scalar* dw);
  Weights weights[lane_sizes];
};

const LaneKernels& lane_kernels();

}  // namespace bonsai
