#include "compress/remover.h"

#include <algorithm>
#include <functional>
#include <map>

#include "compress/axis_table.h"

namespace bonsai {

Remover::Remover(const Coupling& coupling, const Scores& scores)
    : coupling_(coupling),
      scores_(scores),
      floors_(coupling.groups.size(), 1),
      kind_numbers_(coupling.units.size()) {
  for (const Group& group : coupling.groups) {
    kept_.push_back(static_cast<int>(group.units.size()));
  }
  add_rules();
}

Remover::Remover(const Remover& other, const Scores& scores)
    : coupling_(other.coupling_),
      scores_(scores),
      kept_(other.kept_),
      rules_(other.rules_),
      kinds_(other.kinds_),
      kind_numbers_(other.kind_numbers_),
      gone_(other.gone_) {
  set_floors(other.floors_);
}

void Remover::set_floors(std::vector<int> floors) {
  floors_ = std::move(floors);
  for (Kind& kind : kinds_) kind.failed = false;
}

void Remover::add_rules() {
  std::map<Axis, int> groups_of;
  for (const Balance& balance : coupling_.balances) groups_of[balance.axis] = balance.groups;
  const auto blocks_of = [&](Axis axis) {
    const auto entry = groups_of.find(axis);
    return entry == groups_of.end() ? 1 : entry->second;
  };

  AxisTable<std::vector<std::pair<int, int>>> members;  // unit, index and then block
  for (size_t u = 0; u < coupling_.units.size(); ++u) {
    for (const Channel& channel : coupling_.units[u].channels)
      members[channel.axis].emplace_back(static_cast<int>(u), channel.index);
  }
  std::set<std::pair<std::vector<int>, std::vector<std::pair<int, int>>>> known;
  std::vector<std::vector<Share>> shares(coupling_.units.size());
  members.for_each([&](Axis axis, std::vector<std::pair<int, int>>& list) {
    if (list.empty()) return;
    const int blocks = blocks_of(axis), width = coupling_.widths.at(axis);
    for (auto& [u, place] : list) place /= width / blocks;
    std::vector<int> left(static_cast<size_t>(blocks), width / blocks);
    const auto [entry, is_new] = known.emplace(left, std::move(list));
    if (!is_new) return;
    const int rule = static_cast<int>(rules_.size());
    for (const auto& [u, block] : entry->second)
      add_share(shares[static_cast<size_t>(u)], rule, block);
    rules_.push_back({std::move(left), width, width / blocks, {}});
  });
  add_kinds(std::move(shares));
}

void Remover::add_share(std::vector<Share>& shares, int rule, int block) {
  for (Share& share : shares) {
    if (share.rule != rule || share.block != block) continue;
    ++share.count;
    return;
  }
  shares.push_back({rule, block, 1});
}

void Remover::add_kinds(std::vector<std::vector<Share>> shares) {
  std::map<std::vector<Share>, int> known;
  for (size_t u = 0; u < shares.size(); ++u) {
    std::sort(shares[u].begin(), shares[u].end());
    const auto [entry, is_new] = known.emplace(shares[u], static_cast<int>(kinds_.size()));
    if (is_new) {
      for (const Share& share : shares[u]) {
        rules_[static_cast<size_t>(share.rule)].members.emplace_back(entry->second, share.block);
      }
      kinds_.emplace_back().shares = std::move(shares[u]);
    }
    Kind& kind = kinds_[static_cast<size_t>(entry->second)];
    kind.units.push_back(static_cast<int>(u));
    ++kind.left;
    kind_numbers_[u] = entry->second;
  }
}

bool Remover::take(int unit) {
  gone_.insert(unit);
  const size_t group = static_cast<size_t>(coupling_.units[static_cast<size_t>(unit)].group);
  bool fine = --kept_[group] >= floors_[group];
  Kind& kind = kind_of(unit);
  --kind.left;
  for (const Share& share : kind.shares) {
    Rule& rule = rules_[static_cast<size_t>(share.rule)];
    int& left = rule.left[static_cast<size_t>(share.block)];
    left -= share.count;
    rule.total -= share.count;
    rule.smallest = std::min(rule.smallest, left);
    fine = fine && left > 0;
  }
  return fine;
}

void Remover::give_back(int unit) {
  gone_.erase(unit);
  ++kept_[static_cast<size_t>(coupling_.units[static_cast<size_t>(unit)].group)];
  Kind& kind = kind_of(unit);
  ++kind.left;
  for (const Share& share : kind.shares) {
    Rule& rule = rules_[static_cast<size_t>(share.rule)];
    rule.left[static_cast<size_t>(share.block)] += share.count;
    rule.total += share.count;
    rule.smallest = *std::min_element(rule.left.begin(), rule.left.end());
  }
}

// A failure stands as long as the blocks with which the unit must be even are as they were.
void Remover::allow_again(int unit) {
  const Kind& kind = kind_of(unit);
  for (const Share& share : kind.shares) {
    const Rule& rule = rules_[static_cast<size_t>(share.rule)];
    if (rule.left.size() == 1) continue;
    for (const auto& [k, block] : rule.members) kinds_[static_cast<size_t>(k)].failed = false;
  }
}

// By how much the unevenness of all rules would fall if a unit of the kind went, where that of a
// rule with n blocks is n sum(left^2) - sum(left)^2: n^2 times the variance of its blocks.
int64_t Remover::relief(const Kind& kind) const {
  int64_t relief = 0;
  for (size_t i = 0; i < kind.shares.size();) {
    const int r = kind.shares[i].rule;
    const Rule& rule = rules_[static_cast<size_t>(r)];
    int64_t channels = 0, squares = 0;
    for (; i < kind.shares.size() && kind.shares[i].rule == r; ++i) {
      const auto& [_, block, count] = kind.shares[i];
      channels += count;
      squares += int64_t{count} * (2 * rule.left[static_cast<size_t>(block)] - count);
    }
    relief +=
        static_cast<int64_t>(rule.left.size()) * squares - channels * (2 * rule.total - channels);
  }
  return relief;
}

// Of all units in the fuller blocks of an uneven rule: the one that evens most, of these the
// cheapest. -1: there is none, or all is even.
int Remover::next_to_even() const {
  int best = -1;
  int64_t best_relief = 0;
  std::vector<bool> weighed(kinds_.size());
  for (const Rule& rule : rules_) {
    if (rule.is_even()) continue;
    for (const auto& [k, block] : rule.members) {
      const Kind& kind = kinds_[static_cast<size_t>(k)];
      const bool is_fuller = rule.left[static_cast<size_t>(block)] > rule.smallest;
      if (!is_fuller || kind.left == 0 || weighed[static_cast<size_t>(k)]) continue;
      weighed[static_cast<size_t>(k)] = true;
      const int64_t relieved = relief(kind);
      if (best >= 0 && relieved < best_relief) continue;
      const int unit = cheapest(kind);
      if (best < 0 || relieved > best_relief || score(unit) < score(best)) best = unit;
      best_relief = relieved;
    }
  }
  return best;
}

int Remover::cheapest(const Kind& kind) const {
  int best = -1;
  for (const int u : kind.units) {
    if (!is_gone(u) && (best < 0 || score(u) < score(best))) best = u;
  }
  return best;
}

bool Remover::remove(int unit) {
  Kind& kind = kind_of(unit);
  if (kind.failed) return false;
  std::vector<int> taken;
  bool fine = true;
  for (int u = unit; fine && u >= 0; u = fine ? next_to_even() : -1) {
    taken.push_back(u);
    fine = take(u);
  }
  fine = fine && std::all_of(rules_.begin(), rules_.end(), std::mem_fn(&Rule::is_even));
  for (const int u : taken) fine ? allow_again(u) : give_back(u);
  kind.failed = !fine;
  return fine;
}

}  // namespace bonsai
