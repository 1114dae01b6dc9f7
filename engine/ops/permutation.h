#pragma once

#include <vector>

namespace bonsai {

// Channel c of a result is channel index[c] of its input. Empty: all as they are.
struct Permutation {
  std::vector<int> index{}, inverse{};

  bool empty() const { return index.empty(); }
};

// Empty unless `index` names 0, 1, ..., n - 1 once each, in another order than this.
Permutation permutation(const std::vector<int>& index);

}  // namespace bonsai
