#pragma once

#include <type_traits>

namespace bonsai {

// n / by rounded up, for n > -by and by > 0.
template <class N, class By>
constexpr std::common_type_t<N, By> ceil_div(N n, By by) {
  return (n + by - 1) / by;
}

}  // namespace bonsai
