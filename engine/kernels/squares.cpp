#include "engine/kernels/squares.h"

#include <array>

#include "engine/simd.h"

namespace bonsai {

BONSAI_SIMD double sum_squares(const Scalar* x, int64_t n) {
  constexpr int64_t lanes = 16;
  std::array<double, lanes> sums{};
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    for (int64_t k = 0; k < lanes; ++k) {
      const double value = double{x[i + k]};
      sums[static_cast<size_t>(k)] += value * value;
    }
  }
  double total = 0;
  for (const double sum : sums) total += sum;
  for (; i < n; ++i) total += double{x[i]} * double{x[i]};
  return total;
}

}  // namespace bonsai
