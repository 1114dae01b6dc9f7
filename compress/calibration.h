// Calibration pictures: a seeded choice of those that a network learned from, not augmented, on
// which compression looks at it. The same options give the same batches to the bit.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "data/loader.h"

namespace bonsai {

struct CalibrationOptions {
  int images = 1024;  // at most; 0: all
  int batch = 64;
  uint64_t seed = 1;
};

// Normalised by mean and deviation (of values 0 .. 1), as the network was trained. Throws Error
// when there are no pictures.
std::vector<Batch> calibration_batches(const Images& images, const std::array<float, 3>& mean,
                                       const std::array<float, 3>& deviation,
                                       const CalibrationOptions& options = {});

}  // namespace bonsai
