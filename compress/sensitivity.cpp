#include "compress/sensitivity.h"

#include <algorithm>
#include <cmath>

#include "compress/choose.h"
#include "engine/error.h"
#include "engine/text.h"

namespace bonsai {
namespace {

constexpr double explained_part = 0.5;
// Points of accuracy after recalibration: below, a group is called robust; above, sensitive.
constexpr double robust_points = 1, sensitive_points = 5;
// Of the channels: what counts as filling most of the space, and as filling little of it.
constexpr double most_directions = 0.8, few_directions = 0.5;

bool is_set(const std::atomic<bool>* stop) { return stop != nullptr && *stop; }

// The parts to try of each group and what goes then; a part that changes nothing is left out.
struct Plan {
  double part;
  int units;  // of the group
  std::set<int> gone;
};

std::vector<Plan> plans_for(const Graph& graph, const Coupling& coupling, const Scores& scores,
                            size_t g, double step) {
  const Group& group = coupling.groups[g];
  std::vector<Plan> plans;
  for (int i = 1; i * step < 1 - 1e-9; ++i) {
    Budget budget;
    budget.groups[group.name] = 1 - i * step;
    std::set<int> gone = choose(graph, coupling, scores, budget);
    const int units = static_cast<int>(group.units.size()) - kept_units(coupling, gone)[g];
    if (units == 0 || (!plans.empty() && plans.back().gone == gone)) continue;
    plans.push_back({.part = i * step, .units = units, .gone = std::move(gone)});
  }
  return plans;
}

double points_lost(const Accuracy& whole, const Accuracy& now) {
  return 100 * (whole.accuracy - now.accuracy);
}

}  // namespace

Sensitivity measure_sensitivity(const Graph& graph, const Coupling& coupling, const Scores& scores,
                                const Judge& judge, std::span<const Batch> calibration,
                                const SensitivityOptions& options) {
  require(options.step > 0 && options.step <= 0.5, "sensitivity: step ", options.step,
          ", should be above 0 and at most 0.5");
  std::vector<std::vector<Plan>> plans;
  int total = 1, done = 0;
  for (size_t g = 0; g < coupling.groups.size(); ++g) {
    plans.push_back(plans_for(graph, coupling, scores, g, options.step));
    total += static_cast<int>(plans.back().size());
  }
  const auto advance = [&] {
    if (options.progress) options.progress(++done, total);
  };

  Sensitivity result;
  Graph whole = graph;
  const auto of_whole =
      measured(options.kept, "whole", [&]() -> std::optional<Measurements::Figures> {
        const auto accuracy = judged(whole, judge, options.stop);
        return accuracy ? std::optional(figures_of(*accuracy)) : std::nullopt;
      });
  result.stopped = !of_whole;
  if (result.stopped) return result;
  result.whole = accuracy_of(*of_whole);
  advance();
  const std::vector<GroupTraits> traits = traits_of_groups(graph, coupling, calibration);
  for (size_t g = 0; g < plans.size(); ++g) {
    GroupSensitivity group{.group = coupling.groups[g].name,
                           .units = static_cast<int>(coupling.groups[g].units.size()),
                           .points = {},
                           .traits = traits[g]};
    for (const Plan& plan : plans[g]) {
      const auto without =
          judged_without(graph, coupling, plan.gone, judge, calibration, options.stop, options.kept,
                         join(group.group, " without ", plan.gone.size(), " units"));
      if (!without || is_set(options.stop)) {
        result.stopped = true;
        return result;
      }
      group.points.push_back({plan.part, plan.units, *without});
      advance();
    }
    result.groups.push_back(std::move(group));
  }
  return result;
}

const SensitivityPoint* point_at(const GroupSensitivity& group, double part) {
  const auto nearest = std::min_element(group.points.begin(), group.points.end(),
                                        [&](const SensitivityPoint& a, const SensitivityPoint& b) {
                                          return std::abs(a.part - part) < std::abs(b.part - part);
                                        });
  return nearest == group.points.end() ? nullptr : &*nearest;
}

std::string explain(const GroupSensitivity& group, const Accuracy& whole) {
  const SensitivityPoint* point = point_at(group, explained_part);
  if (point == nullptr) return "cannot lose a channel";
  const double raw = points_lost(whole, point->without.pruned),
               left = points_lost(whole, point->without.recalibrated);
  std::string text = left < robust_points      ? "robust"
                     : left > sensitive_points ? "sensitive"
                                               : "middling";
  text += join(": without ", point->units, " of ", group.units, " channels ", fixed(raw, 1),
               " points lost");
  if (raw > robust_points) {
    text += join(", ", fixed(left, 1), " after recalibration");
  }
  const GroupTraits& traits = group.traits;
  if (traits.stage_boundary) text += "; at a change of the map's size";
  if (traits.layers > 1) text += join("; shared by ", traits.layers, " layers");
  if (traits.readers > 1) text += join("; read by ", traits.readers, " layers");
  const double filled = static_cast<double>(traits.effective_rank) / std::max(1, traits.channels);
  const char* how = filled < few_directions    ? "only "
                    : filled < most_directions ? ""
                                               : "as many as ";
  text += join("; activations fill ", how, traits.effective_rank, " of ", traits.channels,
               " directions");
  return text;
}

}  // namespace bonsai
