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

// Of what a layer reads in all, so that each has one vote.
Ranking by_response(const Candidates& candidates, int) {
  std::vector<double> response(static_cast<size_t>(candidates.count()));
  for (const std::span<const Reader> layer : candidates.layers) {
    std::vector<double> own(response.size());
    double total = 0;
    for (const Reader& reader : layer) {
      const Regression& regression = reader.regression;
      for (size_t c = 0; c < regression.moments.magnitudes.size(); ++c) {
        const int candidate = reader.candidates[c % static_cast<size_t>(regression.channels)];
        if (candidate < 0) continue;
        own[static_cast<size_t>(candidate)] += regression.moments.magnitudes[c];
        total += regression.moments.magnitudes[c];
      }
    }
    for (size_t u = 0; u < own.size() && total > 0; ++u) response[u] += own[u] / total;
  }
  return {.order = highest_first(response)};
}

Ranking by_l1(const Candidates& candidates, int) { return {.order = highest_first(candidates.l1)}; }

Ranking by_l2(const Candidates& candidates, int) { return {.order = highest_first(candidates.l2)}; }

Ranking at_random(const Candidates& candidates, int) {
  return {.order = permutation(candidates.count(), Random(candidates.seed, Purpose::choice, 1))};
}

}  // namespace

// y = D + sum of all z of candidates
double response_square(std::span<const Reader> layer) {
  double square = 0;
  for (const Reader& reader : layer) {
    const size_t channels = reader.candidates.size();
    square += reader.regression.moments.dd;
    for (size_t i = 0; i < channels; ++i) {
      if (reader.candidates[i] < 0) continue;
      square += 2 * reader.contributions.zd[i];
      for (size_t j = 0; j < channels; ++j) {
        if (reader.candidates[j] >= 0) square += reader.contributions.zz[i * channels + j];
      }
    }
  }
  return std::max(square, 0.0);
}

// z_u'y = z_u'D + sum of z_u'z_v
void add_problem(std::span<const Reader> layer, LassoProblem& sum) {
  const size_t n = sum.correlation.size();
  const double square = response_square(layer);
  if (square <= 0) return;
  for (const Reader& reader : layer) {
    const size_t channels = reader.candidates.size();
    for (size_t i = 0; i < channels; ++i) {
      if (reader.candidates[i] < 0) continue;
      const auto u = static_cast<size_t>(reader.candidates[i]);
      sum.correlation[u] += reader.contributions.zd[i] / square;
      for (size_t j = 0; j < channels; ++j) {
        if (reader.candidates[j] < 0) continue;
        const double zz = reader.contributions.zz[i * channels + j] / square;
        sum.gram[u * n + static_cast<size_t>(reader.candidates[j])] += zz;
        sum.correlation[u] += zz;
      }
    }
  }
  sum.square += 1;
}

const std::vector<Selection>& selections() {
  static const std::vector<Selection> table = {
      {"lasso", "those that a LASSO on the next layer's response keeps", by_lasso},
      {"l1", "those made by the filters of largest L1 norm", by_l1},
      {"l2", "those made by the filters of largest L2 norm", by_l2},
      {"response", "those with the largest sum of absolute values", by_response, true},
      {"first", "the first ones", by_position},
      {"random", "some, drawn with the seed", at_random},
      {"greedy", "one after the other, each time the one that lowers the error most", rank_greedily,
       true},
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
