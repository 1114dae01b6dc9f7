#include "compress/selection.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "engine/error.h"
#include "engine/nearest.h"
#include "engine/random.h"

namespace bonsai {
namespace {

std::vector<int> counted(int n) {
  std::vector<int> numbers(static_cast<size_t>(n));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

std::vector<int> highest_first(const std::vector<double>& scores) {
  std::vector<int> order = counted(static_cast<int>(scores.size()));
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)];
  });
  return order;
}

Ranking by_lasso(const Candidates& candidates, int k) {
  LassoChoice choice = choose_by_lasso(candidates.problem, k);
  return {.order = std::move(choice.ranking), .solution = std::move(choice.solution)};
}

Ranking by_position(const Candidates& candidates, int) {
  return {.order = counted(candidates.count())};
}

Ranking by_response(const Candidates& candidates, int) {
  std::vector<double> response(static_cast<size_t>(candidates.count()));
  for (const Reader& reader : candidates.readers) {
    const Regression& regression = reader.regression;
    for (size_t c = 0; c < regression.moments.magnitudes.size(); ++c) {
      const int candidate = reader.candidates[c % static_cast<size_t>(regression.channels)];
      if (candidate < 0) continue;
      response[static_cast<size_t>(candidate)] += regression.moments.magnitudes[c];
    }
  }
  return {.order = highest_first(response)};
}

Ranking by_l1(const Candidates& candidates, int) { return {.order = highest_first(candidates.l1)}; }

Ranking at_random(const Candidates& candidates, int) {
  return {.order = permutation(candidates.count(), Random(candidates.seed, Purpose::choice, 1))};
}

}  // namespace

// y = D + sum of all z of candidates, so z_u'y = z_u'D + sum of z_u'z_v.
void add_problem(const std::vector<Reader>& layer, LassoProblem& sum) {
  const size_t n = sum.correlation.size();
  LassoProblem own{.gram = std::vector<double>(n * n),
                   .correlation = std::vector<double>(n),
                   .square = 0,
                   .rows = 1};
  for (const Reader& reader : layer) {
    const auto channels = reader.candidates.size();
    own.square += reader.regression.moments.dd;
    for (size_t i = 0; i < channels; ++i) {
      if (reader.candidates[i] < 0) continue;
      const auto u = static_cast<size_t>(reader.candidates[i]);
      own.correlation[u] += reader.contributions.zd[i];
      own.square += 2 * reader.contributions.zd[i];
      for (size_t j = 0; j < channels; ++j) {
        if (reader.candidates[j] < 0) continue;
        const double zz = reader.contributions.zz[i * channels + j];
        own.gram[u * n + static_cast<size_t>(reader.candidates[j])] += zz;
        own.correlation[u] += zz;
        own.square += zz;
      }
    }
  }
  if (own.square <= 0) return;  // the layer's response does not depend on the candidates
  for (size_t i = 0; i < n * n; ++i) sum.gram[i] += own.gram[i] / own.square;
  for (size_t i = 0; i < n; ++i) sum.correlation[i] += own.correlation[i] / own.square;
  sum.square += 1;
}

const std::vector<Selection>& selections() {
  static const std::vector<Selection> table = {
      {"lasso", "those that a LASSO on the next layer's response keeps", by_lasso},
      {"l1", "those made by the filters of largest L1 norm", by_l1},
      {"response", "those with the largest sum of absolute values", by_response},
      {"first", "the first ones", by_position},
      {"random", "some, drawn with the seed", at_random},
      {"greedy", "one after the other, each time the one that lowers the error most",
       rank_greedily},
  };
  return table;
}

const Selection& find_selection(std::string_view name) {
  std::vector<std::string> names;
  for (const Selection& selection : selections()) {
    if (selection.name == name) return selection;
    names.push_back(selection.name);
  }
  throw Error(join("unknown selection '", name, "'", suggestion(name, names)));
}

}  // namespace bonsai
