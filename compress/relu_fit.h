// Least squares of a layer whose response passes a ReLU: what is negative and stays negative is no
// error. Zhang, Zou, He and Sun 2015, "Accelerating Very Deep Convolutional Networks for
// Classification and Detection", section 3.2:
//   min over w, b of sum |r(t) - r(p)|^2,  p = w x + b
// by an auxiliary u per sample and output,
//   sum |r(t) - r(u)|^2 + lambda |u - p|^2,
// in turns: u given p has two candidates in closed form, one on either side of 0; p given u is
// least squares, whose matrix stays the same. lambda is 0.1 for 30 turns, then 1 for 20.
#pragma once

#include <vector>

#include "compress/least_squares.h"

namespace bonsai {

// sum |r(t) - r(p)|^2 over samples and outputs, on held-out samples where there are any: those by
// which the best of all turns is picked, so that `relu` is a little too good.
struct ReluError {
  double target = 0;  // of r(t) itself, less its mean
  double linear = 0;  // of the fit that was given
  double relu = 0;    // of the fit that is returned
};

// Goes on from a fit of the same regression that keeps all columns, by Regression::solved; `fit`
// becomes the best that was met, so that relu <= linear. `offset` [outputs]: t = w x + D + offset.
// Zeros, and the fit as it was, when there are no such samples.
ReluError fit_through_relu(const Regression& regression, const std::vector<double>& offset,
                           RegressionFit& fit);

}  // namespace bonsai
