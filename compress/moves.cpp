#include "compress/moves.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>

namespace bonsai {
namespace {

constexpr double overshoot = 1.25;  // of the saving that is enough

// What goes when these groups are cut to these widths, and nothing else.
std::set<int> gone_at(const Graph& graph, const Coupling& coupling, const Scores& scores,
                      const std::vector<Move>& moves) {
  Budget budget;
  for (const Move& move : moves) budget.groups[move.group] = double(move.to) / move.from;
  return choose(graph, coupling, scores, budget);
}

// By the fewest units that go at all and save something.
std::optional<Move> next_move(const Graph& graph, const Coupling& coupling, const Scores& scores,
                              const MoveRules& rules, size_t g, double now) {
  const Group& group = coupling.groups[g];
  const int units = static_cast<int>(group.units.size());
  const auto whole = rules.widths.find(group.name);  // a group that lost its first layer is new
  const int multiple =
      rounding(whole == rules.widths.end() ? units : whole->second, rules.round_to);
  for (int width = (units - 1) / multiple * multiple; width > 0; width -= multiple) {
    Move move{.group = group.name, .from = units, .to = width};
    const std::set<int> gone = gone_at(graph, coupling, scores, {move});
    move.to = kept_units(coupling, gone)[g];
    move.saved = now - rules.cost(gone);
    if (move.to == units || move.saved <= 0) continue;
    move.loss = rules.loss(gone);
    return move;
  }
  return std::nullopt;
}

double price(const Move& move, const MoveRules& rules) {
  const auto penalty = rules.penalty.find(move.group);
  return std::max(move.loss, 0.0) * (penalty == rules.penalty.end() ? 1 : penalty->second) /
         move.saved;
}

}  // namespace

void order(std::vector<Move>& moves, const MoveRules& rules) {
  std::stable_sort(moves.begin(), moves.end(), [&](const Move& a, const Move& b) {
    const double p = price(a, rules), q = price(b, rules);
    return p < q || (p == q && a.saved > b.saved);
  });
}

std::vector<Move> possible_moves(const Graph& graph, const Coupling& coupling, const Scores& scores,
                                 const MoveRules& rules) {
  const double now = rules.cost({});
  std::vector<Move> moves;
  for (size_t g = 0; g < coupling.groups.size(); ++g) {
    const std::string& name = coupling.groups[g].name;
    if (std::find(rules.open.begin(), rules.open.end(), name) == rules.open.end()) continue;
    if (auto move = next_move(graph, coupling, scores, rules, g, now))
      moves.push_back(std::move(*move));
  }
  order(moves, rules);
  return moves;
}

Step assemble(const Graph& graph, const Coupling& coupling, const Scores& scores,
              const std::vector<Move>& moves, const MoveRules& rules, const StepSize& size) {
  const double now = rules.cost({});
  Step step;
  double cost = now;
  for (const Move& move : moves) {
    if (cost <= size.aim || now - cost >= size.saving) break;
    std::vector<Move> more = step.moves;
    more.push_back(move);
    std::set<int> gone = gone_at(graph, coupling, scores, more);
    const double then = rules.cost(gone);
    const bool too_much = now - then > overshoot * size.saving;
    if (then >= cost || (too_much && !step.moves.empty())) continue;
    step = {.moves = std::move(more), .gone = std::move(gone)};
    cost = then;
  }
  return step;
}

}  // namespace bonsai
