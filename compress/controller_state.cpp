#include "compress/controller_state.h"

#include <algorithm>

namespace bonsai {
namespace {

constexpr double growth = 1.25, offence = 4;

}  // namespace

ControllerState beginning(const StartRecord& start, double saving) {
  ControllerState state;
  state.saving = saving;
  state.cost = start.cost;
  state.planner.units = start.units;
  return state;
}

ControllerState after(ControllerState state, const PlanRecord& plan, const ResultRecord& result,
                      double largest) {
  state.tried = plan.number;
  if (result.kept) {
    state.kept = plan.number;
    state.failures = 0;
    state.saving = std::min(largest, growth * state.saving);
    state.cost = plan.cost;
    state.from = plan.from;
    state.gone = plan.gone;
    return state;
  }
  ++state.failures;
  const auto worst = std::max_element(plan.moves.begin(), plan.moves.end(),
                                      [](const Move& a, const Move& b) { return a.loss < b.loss; });
  if (plan.moves.size() == 1) {
    state.planner.frozen.insert(worst->group);
  } else {
    state.saving /= 2;
    state.planner.penalty.try_emplace(worst->group, 1).first->second *= offence;
  }
  return state;
}

}  // namespace bonsai
