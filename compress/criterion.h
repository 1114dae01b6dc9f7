// Criteria say how much a network would miss each unit; the cheapest are removed first. One file
// and one row of the table in criterion.cpp make a criterion.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "compress/couple.h"

namespace bonsai {

using Scores = std::vector<double>;  // one per unit

// What a criterion may look at.
struct Evidence {
  const Graph& graph;
  const Coupling& coupling;
};

struct Criterion {
  std::string name;   // what people type
  std::string paper;  // where it comes from
  Scores (*score)(const Evidence& evidence);
};

const std::vector<Criterion>& criteria();
// Throws Error with the nearest name when there is none.
const Criterion& find_criterion(std::string_view name);

// Li et al. 2017: the sum of the absolute weights of the unit's filters.
Scores l1_norm(const Evidence& evidence);
inline Scores l1_norm(const Graph& graph, const Coupling& coupling) {
  return l1_norm({graph, coupling});
}

}  // namespace bonsai
