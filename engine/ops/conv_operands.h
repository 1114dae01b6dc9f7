// What conv2d and conv_transpose2d, its adjoint, share: their inputs and their shape as the kernels
// know it.
#pragma once

#include <utility>
#include <vector>

#include "engine/kernels/conv.h"
#include "engine/tape.h"

namespace bonsai {

// The convolution that reads x and writes y with weights w [y's channels, kh, kw, x's / groups].
template <class Options>
ConvShape conv_shape(const Options& options, const Shape& x, const Shape& w, const Shape& y) {
  return {.n = x[0],
          .h = x[1],
          .w = x[2],
          .in = x[3],
          .out_h = y[1],
          .out_w = y[2],
          .out = y[3],
          .kh = w[1],
          .kw = w[2],
          .stride = options.stride,
          .padding = options.padding,
          .dilation = options.dilation,
          .groups = options.groups};
}

// Groups of a single channel on the side that the weights' last axis numbers.
inline bool is_depthwise(const Shape& w, int groups) { return groups > 1 && w[3] == 1; }

inline std::vector<Var> conv_inputs(Var x, Var w, Var b) {
  std::vector<Var> in{std::move(x), std::move(w)};
  if (b) in.push_back(std::move(b));
  return in;
}

}  // namespace bonsai
