// Pictures to judge by: taken away from those that a network learns from, so that choices can be
// made on them and the test pictures still say something about the result.
#pragma once

#include <cstdint>

#include "data/dataset.h"

namespace bonsai {

// A seeded choice of n pictures leaves `images` and is returned; the others keep their order. The
// same pictures, n and seed give the same choice, so that a network trained without them can be
// judged on them later. Throws Error unless 0 < n < the count.
Images hold_out(Images& images, int n, uint64_t seed);

}  // namespace bonsai
