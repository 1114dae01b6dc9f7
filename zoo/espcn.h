// ESPCN: super-resolution that works on the small picture and enlarges it in the last step, by a
// pixel shuffle (Shi et al. 2016, "Real-Time Single Image and Video Super-Resolution Using an
// Efficient Sub-Pixel Convolutional Neural Network", arXiv:1609.05158).
#pragma once

#include <cstdint>
#include <memory>

#include "engine/layer.h"

namespace bonsai::zoo {

struct EspcnOptions {
  int scale = 2;      // how many times as high and wide pictures become
  int channels = 3;   // of the pictures
  uint64_t seed = 1;  // of the initial weights
};

// [N, H, W, C] -> [N, H scale, W scale, C]: convolutions 5x5 to 16, 3x3 to 8 and 3x3 to C scale^2
// channels with ReLU between: 3,252 parameters as it stands. Narrower than the paper's, and it adds
// what it computes to the picture enlarged to its nearest pixels, which untrained it returns.
// Trained by mean_squared_error, judged by psnr (layers/picture_metrics.h).
std::unique_ptr<Layer> espcn(const EspcnOptions& options = {});

}  // namespace bonsai::zoo
