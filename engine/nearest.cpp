#include "engine/nearest.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "engine/error.h"

namespace bonsai {
namespace {

// Levenshtein's distance, one row of the table at a time.
size_t edits(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, diagonal + 1, row[j] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string nearest(std::string_view word, std::span<const std::string> candidates) {
  size_t fewest = std::max<size_t>(word.size() / 3, 1) + 1;
  std::string best;
  for (const std::string& candidate : candidates) {
    const size_t distance = edits(word, candidate);
    if (distance >= fewest) continue;
    fewest = distance;
    best = candidate;
  }
  return best;
}

std::string suggestion(std::string_view word, std::span<const std::string> candidates) {
  const std::string best = nearest(word, candidates);
  if (!best.empty()) return join(" (did you mean '", best, "'?)");
  if (candidates.size() > 20) return {};
  std::string list;
  for (const std::string& candidate : candidates) list += (list.empty() ? "" : ", ") + candidate;
  return list.empty() ? "" : join(" (known: ", list, ")");
}

}  // namespace bonsai
