#include "compress/agreement.h"

#include <algorithm>
#include <iterator>

#include "compress/filters.h"
#include "compress/norms.h"
#include "compress/statistics.h"

namespace bonsai {

Agreement agreement(const Coupling& coupling, const Scores& scores,
                    const std::map<int, double>& oracle) {
  constexpr size_t fewest = 3;
  Agreement result;
  int units = 0;
  for (const Group& group : coupling.groups) {
    std::vector<double> guessed, measured;
    for (const int u : group.units) {
      const auto entry = oracle.find(u);
      if (entry == oracle.end()) continue;
      guessed.push_back(scores[static_cast<size_t>(u)]);
      measured.push_back(entry->second);
    }
    if (measured.size() < fewest) {
      result.groups.emplace_back();
      continue;
    }
    const int n = static_cast<int>(measured.size());
    const Agreement::OfGroup of_group{n, spearman(guessed, measured), kendall(guessed, measured)};
    result.groups.emplace_back(of_group);
    units += n;
    result.spearman += n * of_group.spearman;
    result.kendall += n * of_group.kendall;
  }
  result.spearman /= std::max(units, 1);
  result.kendall /= std::max(units, 1);
  return result;
}

double overlap(const std::set<int>& a, const std::set<int>& b) {
  std::vector<int> both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  const size_t either = a.size() + b.size() - both.size();
  return either == 0 ? 1 : static_cast<double>(both.size()) / static_cast<double>(either);
}

std::vector<NormRatio> norm_ratios(const Evidence& evidence) {
  const Coupling& coupling = evidence.coupling();
  const auto filters = filters_of_units(evidence.graph(), coupling);
  const Scores l1 = l1_norm(evidence), l2 = l2_norm(evidence);
  std::vector<NormRatio> all;
  for (const Group& group : coupling.groups) {
    std::vector<double> ratios, of_l1, of_l2;
    for (const int u : group.units) {
      of_l1.push_back(l1[static_cast<size_t>(u)]);
      of_l2.push_back(l2[static_cast<size_t>(u)]);
      for (const Filter& filter : filters[static_cast<size_t>(u)]) {
        const double magnitude = mean_magnitude(filter.weights);
        if (magnitude > 0) ratios.push_back(root_mean_square(filter.weights) / magnitude);
      }
    }
    all.push_back({.group = group.name,
                   .filters = static_cast<int>(ratios.size()),
                   .mean = mean(ratios),
                   .deviation = deviation(ratios),
                   .spearman = spearman(of_l1, of_l2)});
  }
  return all;
}

}  // namespace bonsai
