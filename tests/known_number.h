// Numbers that the scripts in tests/fixtures make alike, so that files need not hold them.
#pragma once

#include <cstdint>

#include "engine/tensor.h"

namespace bonsai::testing {

// Uniform in [-1, 1), multiples of 2^-23: the finish of SplitMix64 over positions.
inline Scalar known_number(uint64_t stream, uint64_t position) {
  uint64_t x = (stream << 32) + position;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  x = (x ^ (x >> 31)) >> 40;
  return static_cast<Scalar>(static_cast<double>(x) / 0x1p23 - 1);
}

}  // namespace bonsai::testing
