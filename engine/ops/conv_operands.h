// What conv2d and conv_transpose2d, its adjoint, share: their inputs and their shape as the kernels
// know it.
#pragma once

#include <set>
#include <span>
#include <utility>
#include <vector>

#include "engine/error.h"
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

// Which groups keep a channel of an axis of this width.
inline std::set<int> groups_left(const Keep& keep, Axis axis, int width, int groups) {
  std::set<int> left;
  if (const std::vector<int>* kept = keep.find(axis)) {
    for (const int i : *kept) left.insert(i / (width / groups));
  } else {
    for (int g = 0; g < groups; ++g) left.insert(g);
  }
  return left;
}

// How many groups are left of a convolution from x to y: one that lost all that it reads must have
// lost all that it makes.
inline int remaining_groups(const Op& op, const Node& node, std::span<const Shape> shapes,
                            const Keep& keep, int groups) {
  if (groups == 1) return 1;
  const auto left = [&](int value) {
    return groups_left(keep, {value, 3}, shapes[static_cast<size_t>(value)][3], groups);
  };
  const std::set<int> read = left(node.in[0]), made = left(node.out);
  require(read == made, op.name(), ": ", read.size(), " of ", groups, " groups would read and ",
          made.size(), " make channels, should be the same");
  return static_cast<int>(read.size());
}

inline std::vector<Var> conv_inputs(Var x, Var w, Var b) {
  std::vector<Var> in{std::move(x), std::move(w)};
  if (b) in.push_back(std::move(b));
  return in;
}

}  // namespace bonsai
