// One layer's weights as a least-squares problem, in terms of Moments. The layer reads channels of
// which some will go; those that stay are to make up for the others:
//   min over w' of sum |D + w x - w' x_kept - b'|^2
// x [columns] is what is read at a sample, w [outputs, columns] the weights as they are, and
// D = target - (w x + b) what the layer lacks even with all its channels, because layers before it
// were pruned (zero for the first). This is He, Zhang and Sun 2017, equation 3, around the present
// weights: the change of the weights is solved for, so that no digits are lost where little
// changes, and a small ridge pulls towards the weights as they are and not towards zero. With all
// channels and nothing lacking, the weights return unchanged even if columns depend on each other.
#pragma once

#include <vector>

#include "compress/moments.h"

namespace bonsai {

struct Regression {
  Moments moments;        // of x and D
  std::vector<double> w;  // [outputs, taps, channels]
  int taps = 1, channels = 1;
};

// Channel i alone contributes z_i = w x, with x zero elsewhere, to all outputs of all samples.
struct Contributions {
  std::vector<double> zz;  // z_i' z_j [channels, channels]
  std::vector<double> zd;  // z_i' D [channels]
};
Contributions contributions(const Regression& regression);

// Squared errors over all samples and outputs.
struct RegressionError {
  double target = 0;         // the square of the target itself, less its mean where centred
  double naive = 0;          // the channels are removed and nothing else is done
  double bias_only = 0;      // and a constant is added to every output
  double least_squares = 0;  // and the remaining weights are solved for

  RegressionError& operator+=(const RegressionError& more);
};

struct RegressionFit {
  std::vector<int> columns;            // of w that stay, ascending
  std::vector<double> change;          // of their weights [columns, outputs]
  std::vector<double> intercept;       // to be added to the outputs [outputs]; zeros unless centred
  std::vector<double> mean, variance;  // of w' x_kept, per output
  RegressionError error;
};

// `kept`: channels, ascending, at least one. `ridge`: of the mean diagonal of X'X.
RegressionFit fit(const Regression& regression, const Contributions& contributions,
                  const std::vector<int>& kept, double ridge = 1e-4);

// The columns of the channels, ascending.
std::vector<int> columns_of(const Regression& regression, const std::vector<int>& channels);

}  // namespace bonsai
