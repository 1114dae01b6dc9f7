#include "compress/choose.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "compress/prune.h"
#include "compress/remover.h"
#include "engine/error.h"
#include "engine/nearest.h"

namespace bonsai {
namespace {

int size_of(const Group& group) { return static_cast<int>(group.units.size()); }

void require_part(std::string_view what, double part) {
  require(part > 0 && part <= 1, "choose: ", what, " is ", part,
          ", should be greater than 0 and at most 1");
}

void check(const Coupling& coupling, const Scores& scores, const Budget& budget) {
  const int asked =
      int{budget.macs.has_value()} + int{budget.params.has_value()} + int{budget.keep.has_value()};
  require(asked <= 1, "choose: macs, params and keep exclude one another");
  require(asked == 1 || !budget.groups.empty(), "choose: the budget asks for nothing");
  if (budget.macs) require_part("macs", *budget.macs);
  if (budget.params) require_part("params", *budget.params);
  if (budget.keep) require_part("keep", *budget.keep);
  for (const auto& [name, part] : budget.groups) require_part("keep of " + name, part);
  require(budget.floor >= 0 && budget.floor <= 1, "choose: floor is ", budget.floor,
          ", should be 0 to 1");
  require(budget.round_to >= 1, "choose: round_to is ", budget.round_to, ", should be at least 1");
  require(scores.size() == coupling.units.size(), "choose: ", scores.size(), " scores for ",
          coupling.units.size(), " units");
  for (size_t u = 0; u < scores.size(); ++u) {
    require(std::isfinite(scores[u]), "choose: the score of a unit of ",
            coupling.groups[static_cast<size_t>(coupling.units[u].group)].name, " is ", scores[u]);
  }
}

// The parts that groups were given by name, per group.
std::vector<std::optional<double>> named_parts(const Graph& graph, const Coupling& coupling,
                                               const Budget& budget) {
  std::vector<std::string> names;
  std::vector<size_t> group_of_name;
  for (size_t g = 0; g < coupling.groups.size(); ++g) {
    for (const int p : coupling.groups[g].producers) {
      const int node = coupling.producers[static_cast<size_t>(p)].node;
      names.push_back(graph.node_name(static_cast<size_t>(node)));
      group_of_name.push_back(g);
    }
  }
  std::vector<std::optional<double>> parts(coupling.groups.size());
  for (const auto& [name, part] : budget.groups) {
    const auto found = std::find(names.begin(), names.end(), name);
    require(found != names.end(), "choose: no group is named '", name, "'",
            suggestion(name, names));
    std::optional<double>& own = parts[group_of_name[static_cast<size_t>(found - names.begin())]];
    require(!own || *own == part, "choose: '", name, "' and another name give one group two parts");
    own = part;
  }
  return parts;
}

// The kept number of each group must be a multiple of this: of its rounding, and of the groups of
// the convolutions that carry this group's units alone.
std::vector<int> multiples(const Coupling& coupling, int round_to) {
  std::vector<int> multiple;
  for (const Group& group : coupling.groups) multiple.push_back(rounding(size_of(group), round_to));
  std::map<Axis, std::set<int>> carried;
  for (const Balance& balance : coupling.balances) carried[balance.axis];
  for (const Unit& unit : coupling.units) {
    for (const Channel& channel : unit.channels) {
      const auto entry = carried.find(channel.axis);
      if (entry != carried.end()) entry->second.insert(unit.group);
    }
  }
  for (const Balance& balance : coupling.balances) {
    const std::set<int>& groups = carried.at(balance.axis);
    if (groups.size() != 1) continue;
    int& m = multiple[static_cast<size_t>(*groups.begin())];
    m = std::lcm(m, balance.groups);
  }
  return multiple;
}

// Tries one part after another on the same graph.
class Chooser {
 public:
  Chooser(const Graph& graph, const Coupling& coupling, const Scores& scores, const Budget& budget)
      : coupling_(coupling),
        budget_(budget),
        parts_(named_parts(graph, coupling, budget)),
        multiples_(multiples(coupling, budget.round_to)),
        start_(coupling, scores),
        cheapest_first_(scores.size()) {
    std::iota(cheapest_first_.begin(), cheapest_first_.end(), 0);
    std::stable_sort(cheapest_first_.begin(), cheapest_first_.end(), [&](int a, int b) {
      return scores[static_cast<size_t>(a)] < scores[static_cast<size_t>(b)];
    });
  }

  std::set<int> at(double part) const {
    const std::vector<int> wanted = wanted_units(part);
    Remover remover = start_;
    remover.set_floors(wanted);
    for (const int u : cheapest_first_) {
      const int group = coupling_.units[static_cast<size_t>(u)].group;
      if (remover.is_gone(u) || remover.kept(group) <= wanted[static_cast<size_t>(group)]) continue;
      remover.remove(u);
    }
    return remover.gone();
  }

 private:
  std::vector<int> wanted_units(double part) const {
    std::vector<int> wanted = budget_.spread == Spread::global ? competing(part) : equal(part);
    for (size_t g = 0; g < wanted.size(); ++g) {
      const int all = size_of(coupling_.groups[g]);
      if (parts_[g]) wanted[g] = rounded_down(all, *parts_[g]);
      if (wanted[g] == all) continue;
      const int multiple = multiples_[g];
      const int nearest = (wanted[g] + multiple / 2) / multiple * multiple;
      wanted[g] = std::min(all, std::max(nearest, multiple));
    }
    return wanted;
  }

  // 0.7 of 10 is 7, though 0.7 * 10 may be a little less.
  static int rounded_down(int all, double part) { return static_cast<int>(all * part + 1e-6); }

  std::vector<int> equal(double part) const {
    std::vector<int> wanted;
    for (const Group& group : coupling_.groups)
      wanted.push_back(rounded_down(size_of(group), part));
    return wanted;
  }

  // All units that have no part of their own, in one queue.
  std::vector<int> competing(double part) const {
    std::vector<int> wanted, queue;
    for (const Group& group : coupling_.groups) wanted.push_back(size_of(group));
    for (const int u : cheapest_first_) {
      const int group = coupling_.units[static_cast<size_t>(u)].group;
      if (!parts_[static_cast<size_t>(group)]) queue.push_back(group);
    }
    const int all = static_cast<int>(queue.size());
    for (int i = 0; i < all - rounded_down(all, part); ++i) {
      --wanted[static_cast<size_t>(queue[static_cast<size_t>(i)])];
    }
    for (size_t g = 0; g < wanted.size(); ++g) {
      const double least = size_of(coupling_.groups[g]) * budget_.floor;
      wanted[g] = std::max(wanted[g], static_cast<int>(std::ceil(least - 1e-6)));
    }
    return wanted;
  }

  const Coupling& coupling_;
  const Budget& budget_;
  std::vector<std::optional<double>> parts_;  // given by name
  std::vector<int> multiples_;
  Remover start_;
  std::vector<int> cheapest_first_;
};

// The largest part whose network costs at most `target` of the original, by bisection.
std::set<int> choose_by_cost(const Graph& graph, const Coupling& coupling, const Chooser& chooser,
                             std::string_view what, double target, int64_t Cost::*cost) {
  const double original = static_cast<double>(pruned_cost(graph, coupling, {}).*cost);
  const auto ratio = [&](const std::set<int>& gone) {
    return static_cast<double>(pruned_cost(graph, coupling, gone).*cost) / original;
  };
  std::set<int> best = chooser.at(1);
  if (ratio(best) <= target) return best;
  best = chooser.at(0);
  const double least = ratio(best);
  require(least <= target, "choose: ", what, " ", target,
          " of the original cannot be reached, the least is ", std::ceil(least * 1e4) / 1e4);
  double low = 0, high = 1;
  for (int step = 0; step < 24; ++step) {
    const double middle = (low + high) / 2;
    std::set<int> gone = chooser.at(middle);
    if (ratio(gone) <= target) {
      low = middle;
      best = std::move(gone);
    } else {
      high = middle;
    }
  }
  return best;
}

void require_rounded(const Coupling& coupling, const std::set<int>& gone, int round_to) {
  const std::vector<int> kept = kept_units(coupling, gone);
  for (size_t g = 0; g < kept.size(); ++g) {
    const Group& group = coupling.groups[g];
    const int multiple = rounding(size_of(group), round_to);
    require(kept[g] == size_of(group) || kept[g] % multiple == 0, "choose: group '", group.name,
            "' can keep ", kept[g], " of ", size_of(group), " units but no multiple of ", multiple,
            ", because the groups of its convolutions must stay equal");
  }
}

}  // namespace

int rounding(int units, int round_to) {
  while (round_to > 1 && 4 * round_to > units) round_to /= 2;
  return round_to;
}

std::set<int> choose(const Graph& graph, const Coupling& coupling, const Scores& scores,
                     const Budget& budget) {
  check(coupling, scores, budget);
  const Chooser chooser(graph, coupling, scores, budget);
  std::set<int> gone;
  if (budget.macs) {
    gone = choose_by_cost(graph, coupling, chooser, "macs", *budget.macs, &Cost::macs);
  } else if (budget.params) {
    gone = choose_by_cost(graph, coupling, chooser, "params", *budget.params, &Cost::params);
  } else {
    gone = chooser.at(budget.keep.value_or(1));
  }
  require_rounded(coupling, gone, budget.round_to);
  return gone;
}

std::vector<int> kept_units(const Coupling& coupling, const std::set<int>& gone) {
  std::vector<int> kept;
  for (const Group& group : coupling.groups) kept.push_back(size_of(group));
  for (const int u : gone) {
    --kept[static_cast<size_t>(coupling.units[static_cast<size_t>(u)].group)];
  }
  return kept;
}

}  // namespace bonsai
