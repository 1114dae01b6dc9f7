// Which input channels of a layer stay, judged by data: the rules that He, Zhang and Sun 2017
// (section 4.1.1) compare. Criteria (compress/criterion.h) look at a unit for itself; these look
// at how well the layer's response can be had from the units that stay.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "compress/lasso.h"
#include "compress/regression.h"

namespace bonsai {

// A layer (or one group of its channels) and which candidate each of its channels belongs to; -1:
// to none, it stays in any case.
struct Reader {
  Regression regression;
  Contributions contributions;
  std::vector<int> candidates;  // per channel
};

// Units of one group that compete.
struct Candidates {
  LassoProblem problem;  // of all layers that read them, see add_problem
  std::vector<std::span<const Reader>>
      layers;                  // these, one reader per group of a layer's channels;
                               // fewer than all where memory does not hold them
  std::vector<double> l1, l2;  // of the filters that make each candidate
  uint64_t seed = 1;

  int count() const { return problem.size(); }
};

// The square of what the candidates and the target's rest make together, by which a layer's errors
// are divided: every layer has one vote. 0: the response does not depend on the candidates.
double response_square(std::span<const Reader> layer);

// Adds the layer's share: one column per candidate, the sum of its channels' contributions, and as
// the response what the candidates and the target's rest make together, divided by
// response_square().
void add_problem(std::span<const Reader> layer, LassoProblem& sum);

struct Ranking {
  std::vector<int> order;                      // all candidates, the one to keep first of all first
  std::optional<LassoSolution> solution = {};  // of the LASSO, with its certificate
};

struct Selection {
  std::string name;                                      // what people type
  std::string about;                                     // which candidates it keeps
  Ranking (*rank)(const Candidates& candidates, int k);  // k: how many will be kept
  bool looks_at_layers = false;  // at Candidates::layers, and not at their sum alone
};

const std::vector<Selection>& selections();
// Throws Error with the nearest name when there is none.
const Selection& find_selection(std::string_view name);

// greedy.cpp: again and again the candidate whose channels, solved for together with those taken
// before, lower the squared errors of the layers most.
Ranking rank_greedily(const Candidates& candidates, int k);

}  // namespace bonsai
