#include "engine/kernels/softmax.h"

#include <algorithm>
#include <cmath>

namespace bonsai {

double softmax_row(const Scalar* x, int n, Scalar* y) {
  const Scalar largest = *std::max_element(x, x + n);
  double sum = 0;
  for (int k = 0; k < n; ++k) {
    y[k] = std::exp(x[k] - largest);
    sum += y[k];
  }
  const auto scale = static_cast<Scalar>(1 / sum);
  for (int k = 0; k < n; ++k) y[k] *= scale;
  return largest + std::log(sum);
}

}  // namespace bonsai
