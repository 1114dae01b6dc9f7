// Criteria say how much a network would miss each unit; the cheapest are removed first. One file
// and one row of the table in criterion.cpp make a criterion.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "compress/evidence.h"

namespace bonsai {

using Scores = std::vector<double>;  // one per unit

struct Criterion {
  std::string name;     // what people type
  std::string paper;    // where it comes from
  bool needs_pictures;  // Evidence must hold some
  Scores (*score)(const Evidence& evidence);
};

const std::vector<Criterion>& criteria();
// Throws Error with the nearest name when there is none.
const Criterion& find_criterion(std::string_view name);

// What each computes stands at the head of its file.
Scores l1_norm(const Evidence& evidence);
Scores l1_folded(const Evidence& evidence);
Scores l2_norm(const Evidence& evidence);
Scores geometric_median(const Evidence& evidence);
Scores bn_scale(const Evidence& evidence);
Scores group_norm(const Evidence& evidence);
Scores apoz(const Evidence& evidence);
Scores mean_activation(const Evidence& evidence);
Scores gate(const Evidence& evidence);
Scores taylor(const Evidence& evidence);
Scores taylor_weights(const Evidence& evidence);
Scores first_k(const Evidence& evidence);
Scores random_scores(const Evidence& evidence);

inline Scores l1_norm(const Graph& graph, const Coupling& coupling) {
  return l1_norm(Evidence(graph, coupling));
}

}  // namespace bonsai
