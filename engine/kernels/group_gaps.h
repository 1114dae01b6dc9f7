// Pixels whose channels stand in groups, and the same with gaps, in which every group takes `size`
// channels, a power of two up to 8, of which it uses the first `used`.
#pragma once

#include <cstdint>

#include "engine/tensor.h"

namespace bonsai {

struct GroupGaps {
  int groups, used, size;

  int dense_channels() const { return groups * used; }
  int spread_channels() const { return groups * size; }
};

// to [count, spread_channels] = x [count, dense_channels], zeros in the gaps; pixels of `to` lie
// `to_step` scalars apart.
void spread_groups(const GroupGaps& g, const Scalar* x, int64_t count, Scalar* to, int64_t to_step);

// y [count, dense_channels], or y plus, from the same without its gaps.
void gather_groups(const GroupGaps& g, const Scalar* from, int64_t from_step, int64_t count,
                   Scalar* y, bool add);

}  // namespace bonsai
