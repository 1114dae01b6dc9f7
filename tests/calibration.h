// Calibration pictures from a tensor.
#pragma once

#include <algorithm>

#include "compress/rerun.h"

namespace bonsai::testing {

inline Pictures pictures_of(const Tensor& x) {
  return {.count = x.dim(0), .read = [x](int first, int n) {
            Shape shape = x.shape();
            shape[0] = n;
            Tensor part = Tensor::uninitialized(shape);
            const size_t size = part.size() / static_cast<size_t>(n);
            std::copy_n(x.data() + static_cast<size_t>(first) * size, part.size(), part.data());
            return part;
          }};
}

}  // namespace bonsai::testing
