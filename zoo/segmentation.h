// Small networks that give every pixel a class: [N, H, W, C] -> logits [N, H, W, classes], to be
// trained by the cross_entropy of pixels (engine/ops.h) and judged by mean_iou
// (layers/picture_metrics.h). To see that a pixel belongs to a disc and not to a square, a network
// must see the outline, which is further away than a few 3x3 convolutions look: three ways.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/layer.h"

namespace bonsai::zoo {

struct SegmentationOptions {
  int classes = 3;
  int channels = 1;   // of the pictures
  uint64_t seed = 1;  // of the initial weights
};

// Four 3x3 convolutions of 16 channels with batch norm, the last three dilated (atrous) by 2, 4 and
// 8, then a 1x1 to the classes: each result sees 31 x 31 pixels at full resolution. 7,235
// parameters. Dilation as in Yu and Koltun 2015, "Multi-Scale Context Aggregation by Dilated
// Convolutions", arXiv:1511.07122.
std::unique_ptr<Layer> atrous_segmentation(const SegmentationOptions& options = {});

// The same network without dilation, which sees 9 x 9 pixels: what dilation brings, at no cost.
std::unique_ptr<Layer> undilated_segmentation(const SegmentationOptions& options = {});

// An encoder that halves the picture twice and a decoder of two transposed convolutions that
// doubles it twice: 16, 32, 32, 16 channels, 19,539 parameters, a fifth of the multiply-adds.
// Height and width must be multiples of 4. Learned enlarging as in Long, Shelhamer and Darrell
// 2015, "Fully Convolutional Networks for Semantic Segmentation", arXiv:1411.4038.
std::unique_ptr<Layer> deconvolution_segmentation(const SegmentationOptions& options = {});

}  // namespace bonsai::zoo
