// Checks an operation's backward against its forward by central differences:
//   d loss / d x[i] ~ (loss(x + eps e_i) - loss(x - eps e_i)) / (2 eps),  loss = sum(r * out)
// with random weights r. Meant for the engine built in double precision, where a mistake of one
// part in a thousand shows; in single precision eps must be larger and the limits wider.
// Inputs must not lie within eps of a kink (relu at 0, a tie of max_pool).
#pragma once

#include <cstdint>
#include <vector>

#include "engine/op.h"

namespace bonsai {

struct GradcheckOptions {
  bool training = true;
  double eps = 1e-6;
  double absolute = 1e-5, relative = 1e-3;  // |analytic - numeric| <= absolute + relative |numeric|
  uint64_t seed = 1;
  int elements = 100;  // per input, drawn at random when it has more
};

// Throws Error that names the input, the element and both values. `wanted` tells for each input
// whether it has a derivative (labels and running statistics have none). Also checks that a
// second backward gives the same bits, that a fresh gradient is stored over whatever the memory
// held, and that one which is not fresh is added to.
void gradcheck(const Op& op, const std::vector<Tensor>& in, const std::vector<bool>& wanted,
               const GradcheckOptions& options = {});

}  // namespace bonsai
