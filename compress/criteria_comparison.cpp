#include "compress/criteria_comparison.h"

#include <cmath>

#include "compress/choose.h"
#include "engine/error.h"
#include "engine/text.h"

namespace bonsai {
namespace {

std::set<int> without(const Evidence& evidence, const Scores& scores, double part) {
  return choose(evidence.graph(), evidence.coupling(), scores, {.keep = 1 - part});
}

std::optional<Accuracy> judged_after(const Treatment& treatment, const std::set<int>& gone,
                                     const Judge& judge, const CurveOptions& options,
                                     const std::string& name) {
  const auto figures = measured(
      options.kept, name + ", " + treatment.name, [&]() -> std::optional<Measurements::Figures> {
        std::optional<Graph> treated = treatment.apply(gone);
        if (!treated) return std::nullopt;
        const auto accuracy = judged(*treated, judge, options.stop);
        return accuracy ? std::optional(figures_of(*accuracy)) : std::nullopt;
      });
  return figures ? std::optional(accuracy_of(*figures)) : std::nullopt;
}

}  // namespace

std::vector<ComparedCriterion> compared_criteria(const Evidence& evidence,
                                                 const std::map<int, double>& oracle) {
  std::vector<ComparedCriterion> all;
  for (const Criterion& criterion : criteria()) {
    ComparedCriterion& compared = all.emplace_back(ComparedCriterion{.name = criterion.name});
    try {
      compared.scores = criterion.score(evidence);
    } catch (const Error& error) {
      compared.refused = error.what();
    }
  }
  const size_t units = evidence.coupling().units.size();
  if (oracle.size() == units) {
    Scores scores(units);
    for (const auto& [unit, increase] : oracle) scores[static_cast<size_t>(unit)] = increase;
    all.push_back({.name = "oracle", .scores = std::move(scores)});
  }
  for (ComparedCriterion& compared : all) {
    if (!compared.refused.empty()) continue;
    compared.agreement = agreement(evidence.coupling(), compared.scores, oracle);
  }
  return all;
}

bool measure_curves(std::vector<ComparedCriterion>& criteria, const Evidence& evidence,
                    const Judge& judge, std::span<const Batch> calibration,
                    const CurveOptions& options) {
  int total = 0, done = 0;
  for (const ComparedCriterion& c : criteria) {
    total += c.refused.empty() ? static_cast<int>(options.parts.size()) : 0;
  }
  for (ComparedCriterion& c : criteria) {
    if (!c.refused.empty()) continue;
    c.chosen = without(evidence, c.scores, options.cut);
    c.treated.resize(options.treatments.size());
    for (const double part : options.parts) {
      const std::set<int> gone = without(evidence, c.scores, part);
      const std::string name = join(c.name, " without ", part);
      const auto accuracy = judged_without(evidence.graph(), evidence.coupling(), gone, judge,
                                           calibration, options.stop, options.kept, name);
      if (!accuracy) return false;
      c.curve.push_back(*accuracy);
      for (size_t t = 0; t < options.treatments.size(); ++t) {
        const auto treated = judged_after(options.treatments[t], gone, judge, options, name);
        if (!treated) return false;
        c.treated[t].push_back(*treated);
      }
      if (options.progress) options.progress(++done, total);
    }
  }
  return true;
}

std::string explain_norms(const std::vector<NormRatio>& ratios, double overlap_at_cut) {
  double filters = 0, mean = 0, within = 0, rho = 0;
  for (const NormRatio& ratio : ratios) {
    filters += ratio.filters;
    mean += ratio.filters * ratio.mean;
    within += ratio.filters * ratio.deviation * ratio.deviation;
    rho += ratio.filters * ratio.spearman;
  }
  if (filters == 0) return "there are no weights other than 0";
  mean /= filters;
  rho /= filters;
  constexpr double alike = 0.9;
  return join(
      "sqrt(n) L2 / L1 of filters is ", fixed(mean, 2), " (1.25 for normal weights) and varies by ",
      fixed(std::sqrt(within / filters), 2), " within a group: ",
      rho > alike ? "one norm is nearly a multiple of the other, and both rank alike"
                  : "filters are peaked to different degrees, and the norms rank them apart",
      " (rho ", fixed(rho, 2), "; of the units that either removes at the cut, both remove ",
      fixed(100 * overlap_at_cut, 0), " %)");
}

}  // namespace bonsai
