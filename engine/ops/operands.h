// Small checks and loops that many operations share.
#pragma once

#include <span>
#include <string_view>

#include "engine/error.h"
#include "engine/op.h"

namespace bonsai {

inline void require_inputs(std::string_view op, std::span<const Shape> in, size_t count) {
  require(in.size() == count, op, ": ", in.size(), " inputs given, should be ", count);
}

inline void require_rank(std::string_view op, const Shape& x, size_t rank) {
  require(x.size() == rank, op, ": the input has shape ", x, ", should have ", rank, " axes");
}

inline void require_vector(std::string_view op, std::string_view what, const Shape& v, int n) {
  require(v == Shape{n}, op, ": ", what, " has shape ", v, ", should be ", Shape{n});
}

inline int channels(const Shape& shape) { return shape.back(); }
inline int last_axis(const Shape& shape) { return static_cast<int>(shape.size()) - 1; }

// All elements but the channels: the rows of x seen as a [rows, C] matrix.
inline int64_t rows(const Tensor& x) {
  return x.size() == 0 ? 0 : static_cast<int64_t>(x.size()) / x.shape().back();
}

// The channel axis of value v.
inline Axis channel_axis(int v, std::span<const Shape> shapes) {
  return {v, last_axis(shapes[static_cast<size_t>(v)])};
}

// in[which][c] ~ out[c] for every channel: the ties of an element-wise operation.
inline void tie_through(const Node& node, size_t which, std::span<const Shape> shapes,
                        Channels& channels_) {
  const Axis out = channel_axis(node.out, shapes);
  channels_.tie_all(channel_axis(node.in[which], shapes), out,
                    channels(shapes[static_cast<size_t>(node.out)]));
}

}  // namespace bonsai
