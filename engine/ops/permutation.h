#pragma once

#include <vector>

namespace bonsai {

// Channel c of a result is channel index[c] of its input. Empty: all as they are.
struct Permutation {
  std::vector<int> index{}, inverse{};

  // Empty unless `index` names 0, 1, ..., n - 1 once each, in another order than this.
  static Permutation of(const std::vector<int>& index);

  bool empty() const { return index.empty(); }
};

}  // namespace bonsai
