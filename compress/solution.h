// Writes the solution of a layer's regression into the network.
#pragma once

#include <vector>

#include "compress/least_squares.h"
#include "compress/mixer.h"

namespace bonsai {

// `block`: which group of the mixer's channels was solved for. `scales`: what its outputs were
// multiplied by in the regression [out]; those with 0 are left alone. The missing constant goes
// into the bias, or into the batch norm's beta, whose statistics become those of the new response:
//   gamma' / sqrt(var' + eps) = gamma / sqrt(var + eps) = a,
//   beta' = beta + a (mean' - mean) + the constant.
void write_solution(const RegressionFit& fit, const Mixer& mixer, int block,
                    const std::vector<double>& scales, Graph& graph);

}  // namespace bonsai
