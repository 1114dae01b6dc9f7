// One layer's weights as a regression, in terms of Moments. The layer reads channels of which some
// will go; those that stay are to make up for the others (compress/least_squares.h):
//   min over w' of sum |D + w x - w' x_kept - b'|^2
// x [columns] is what is read at a sample, w [outputs, columns] the weights as they are, and
// D = target - (w x + b) what the layer lacks even with all its channels, because layers before it
// were pruned (zero for the first). Everything is around the present weights, so that no digits
// are lost where little changes.
#pragma once

#include <vector>

#include "compress/moments.h"

namespace bonsai {

struct SampleRows {
  int rows = 0;
  std::vector<Scalar> x, d;  // [rows, columns], [rows, outputs]
};

struct Regression {
  Moments moments;        // of x and D
  std::vector<double> w;  // [outputs, taps, channels]
  int taps = 1, channels = 1;
  SampleRows held_out = {};  // that are not solved for
  SampleRows solved = {};    // some that are, where they were asked for
};

// Channel i alone contributes z_i = w x, with x zero elsewhere, to all outputs of all samples.
struct Contributions {
  std::vector<double> zz;  // z_i' z_j [channels, channels]
  std::vector<double> zd;  // z_i' D [channels]
};
Contributions contributions(const Regression& regression);

// The columns of the channels, ascending.
std::vector<int> columns_of(const Regression& regression, const std::vector<int>& channels);

}  // namespace bonsai
