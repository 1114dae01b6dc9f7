// Where the numbers of a channel lie in a tensor: runs of equal length. On axis 0 of [out, kh, kw,
// in] a channel is one run, the filter; on axis 3 every run is a single number.
#pragma once

#include "engine/tensor.h"

namespace bonsai {

// visit(channel, begin, length) for all runs of an axis, in the order of memory. `width`: the
// number of channels, which is more than the axis stores where groups share it (engine/channels.h):
// each group then has its own part of axis 0.
template <class Visit>
void for_each_channel_run(const Tensor& t, int axis, int width, const Visit& visit) {
  const auto stored = static_cast<size_t>(t.dim(axis));
  const size_t groups = static_cast<size_t>(width) / stored;
  size_t length = 1;
  for (int a = axis + 1; a < t.rank(); ++a) length *= static_cast<size_t>(t.dim(a));
  const size_t rows = t.size() / (groups * stored * length);
  size_t begin = 0;
  for (size_t g = 0; g < groups; ++g) {
    for (size_t r = 0; r < rows; ++r) {
      for (size_t i = 0; i < stored; ++i, begin += length) visit(g * stored + i, begin, length);
    }
  }
}

}  // namespace bonsai
