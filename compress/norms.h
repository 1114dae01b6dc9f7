// Norms of filters, independent of their length: what the criteria by norm have in common.
#pragma once

#include <cmath>
#include <span>

#include "engine/tensor.h"

namespace bonsai {

// L1: sum |w| / n
inline double mean_magnitude(std::span<const Scalar> w) {
  double sum = 0;
  for (const Scalar x : w) sum += std::abs(double{x});
  return sum / static_cast<double>(w.size());
}

// L2: sqrt(sum w^2 / n)
inline double root_mean_square(std::span<const Scalar> w) {
  double sum = 0;
  for (const Scalar x : w) sum += double{x} * double{x};
  return std::sqrt(sum / static_cast<double>(w.size()));
}

}  // namespace bonsai
