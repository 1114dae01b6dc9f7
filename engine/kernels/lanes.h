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

struct LaneKernels {
  // y[q * y_step + c] (+)= sum over t < taps, e < size of
  //   w[t][e * channels + (c ^ e)] x[t][q * x_step + (c ^ e)]
  // for q < pixels and c < channels, a multiple of the size.
  using Forward = void (*)(const Scalar* const* x, const Scalar* const* w, int taps, int64_t x_step,
                           int pixels, int channels, Scalar* y, int64_t y_step, bool add);
  Forward forward[lane_sizes];

  // dw[t][e * channels + c] += sum over q < pixels of x[t][q * x_step + c] dy[q * channels + (c ^
  // e)] for t < taps, e < size and c < channels, a multiple of the size.
  using Weights = void (*)(const Scalar* const* x, Scalar* const* dw, int taps, int64_t x_step,
                           int pixels, int channels, const Scalar* dy);
  Weights weights[lane_sizes];
};

const LaneKernels& lane_kernels();

}  // namespace bonsai
