#include "engine/ops/permutation.h"

#include <algorithm>

namespace bonsai {

Permutation Permutation::of(const std::vector<int>& index) {
  std::vector<int> inverse(index.size(), -1);
  for (size_t c = 0; c < index.size(); ++c) {
    const auto from = static_cast<size_t>(index[c]);
    if (from >= inverse.size() || inverse[from] >= 0) return {};
    inverse[from] = static_cast<int>(c);
  }
  if (std::is_sorted(index.begin(), index.end())) return {};
  return {index, inverse};
}

}  // namespace bonsai
