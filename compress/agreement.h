// Do criteria agree: with the oracle (compress/oracle.h), and with one another?
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "compress/criterion.h"

namespace bonsai {

// Of one criterion with the oracle, within groups: across them scores need not be comparable.
struct Agreement {
  struct OfGroup {
    int units = 0;  // that the oracle measured
    double spearman = 0, kendall = 0;
  };
  std::vector<std::optional<OfGroup>> groups;  // none where fewer than three units were measured
  double spearman = 0, kendall = 0;            // the means over groups, weighted by their units
};

// `oracle`: the increase of the loss, by unit, of those that were measured.
Agreement agreement(const Coupling& coupling, const Scores& scores,
                    const std::map<int, double>& oracle);

// Jaccard's index of two choices: units in both / units in either; 1 when both are empty.
double overlap(const std::set<int>& a, const std::set<int>& b);

// Why the L1 norm and the L2 norm choose alike, or do not: sqrt(n) |w|_2 / |w|_1 of a filter of n
// weights lies between 1 (all weights equally large) and sqrt(n) (one weight), and is
// sqrt(pi / 2) = 1.25 for normal weights. Where all filters of a group have nearly the same ratio,
// one norm is a multiple of the other and both rank alike.
struct NormRatio {
  std::string group;
  int filters = 0;
  double mean = 0, deviation = 0;  // of the ratio over the filters
  double spearman = 0;             // of the units' two scores
};
std::vector<NormRatio> norm_ratios(const Evidence& evidence);

}  // namespace bonsai
