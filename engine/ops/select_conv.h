#pragma once

#include <vector>

#include "engine/op.h"

namespace bonsai {

// conv(select(x)) as one step of a tape, where `select`, which has this list, brings the channels
// of groups that take turns into the order in which a grouped convolution reads them; null for
// other lists and operations. With the select behind it that undoes the permutation it is a
// convolution of interleaved groups (ConvShape), which a batch norm may follow.
OpPtr select_conv(OpPtr select, const std::vector<int>& index, const Op& conv);

}  // namespace bonsai
