// How well a network does whose result is a picture: another picture, or a class for every pixel.
#pragma once

#include <vector>

#include "engine/tensor.h"

namespace bonsai {

// Peak signal-to-noise ratio in decibels: 10 log10(peak^2 / mean squared error), the mean taken
// over all elements of two tensors of one shape; infinite when they are equal. `peak` is the
// largest value that a pixel can have. Throws Error when the shapes differ or hold nothing.
double psnr(const Tensor& result, const Tensor& truth, double peak = 1);

// confusion[class][guess] += the pixels of logits [..., K] whose highest logit is `guess` (the
// first of equals), with labels [...] their classes: the table of Evaluation::confusion, counted by
// pixel. An empty table becomes K x K. Throws Error when shapes do not fit or a label is no class.
void count_pixels(const Tensor& logits, const Tensor& labels,
                  std::vector<std::vector<int>>& confusion);

// Mean intersection over union (the Jaccard index; Everingham et al. 2010, "The PASCAL Visual
// Object Classes (VOC) Challenge", section 4.4): right / (pixels of the class + guesses of the
// class - right), averaged over the classes that occur among either. All pixels that were counted
// are one pool, whatever picture they come from. Throws Error when none were.
double mean_iou(const std::vector<std::vector<int>>& confusion);

}  // namespace bonsai
