#include "compress/remover.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>

namespace bonsai {

Remover::Remover(const Coupling& coupling, const Scores& scores)
    : coupling_(coupling),
      scores_(scores),
      floors_(coupling.groups.size(), 1),
      shares_(coupling.units.size()) {
  for (const Group& group : coupling.groups) {
    kept_.push_back(static_cast<int>(group.units.size()));
  }
  add_rules();
}

Remover::Remover(const Remover& other, const Scores& scores)
    : coupling_(other.coupling_),
      scores_(scores),
      floors_(other.floors_),
      kept_(other.kept_),
      rules_(other.rules_),
      shares_(other.shares_),
      gone_(other.gone_) {}

void Remover::add_rules() {
  std::map<Axis, int> groups_of;
  for (const Balance& balance : coupling_.balances) groups_of[balance.axis] = balance.groups;
  const auto blocks_of = [&](Axis axis) {
    const auto entry = groups_of.find(axis);
    return entry == groups_of.end() ? 1 : entry->second;
  };

  std::map<Axis, std::vector<std::pair<int, int>>> members;
  for (size_t u = 0; u < coupling_.units.size(); ++u) {
    for (const Channel& channel : coupling_.units[u].channels) {
      const int block = coupling_.widths.at(channel.axis) / blocks_of(channel.axis);
      members[channel.axis].emplace_back(static_cast<int>(u), channel.index / block);
    }
  }
  std::set<std::pair<std::vector<int>, std::vector<std::pair<int, int>>>> known;
  for (auto& [axis, list] : members) {
    const int blocks = blocks_of(axis), width = coupling_.widths.at(axis);
    std::vector<int> left(static_cast<size_t>(blocks), width / blocks);
    if (!known.emplace(left, list).second) continue;
    const int rule = static_cast<int>(rules_.size());
    for (const auto& [unit, block] : list) add_share(unit, rule, block);
    rules_.push_back({std::move(left), std::move(list)});
  }
}

void Remover::add_share(int unit, int rule, int block) {
  for (Share& share : shares_[static_cast<size_t>(unit)]) {
    if (share.rule != rule || share.block != block) continue;
    ++share.count;
    return;
  }
  shares_[static_cast<size_t>(unit)].push_back({rule, block, 1});
}

bool Remover::take(int unit) {
  gone_.insert(unit);
  const size_t group = static_cast<size_t>(coupling_.units[static_cast<size_t>(unit)].group);
  bool fine = --kept_[group] >= floors_[group];
  for (const Share& share : shares_[static_cast<size_t>(unit)]) {
    int& left = rules_[static_cast<size_t>(share.rule)].left[static_cast<size_t>(share.block)];
    left -= share.count;
    fine = fine && left > 0;
  }
  return fine;
}

void Remover::give_back(int unit) {
  gone_.erase(unit);
  ++kept_[static_cast<size_t>(coupling_.units[static_cast<size_t>(unit)].group)];
  for (const Share& share : shares_[static_cast<size_t>(unit)]) {
    rules_[static_cast<size_t>(share.rule)].left[static_cast<size_t>(share.block)] += share.count;
  }
}

// How many channels the blocks hold beyond the smallest of them.
int Remover::excess(int rule) const {
  const std::vector<int>& left = rules_[static_cast<size_t>(rule)].left;
  const int smallest = *std::min_element(left.begin(), left.end());
  return std::accumulate(left.begin(), left.end(), 0) - smallest * static_cast<int>(left.size());
}

// By how much the excess of all rules would fall if the unit went.
int Remover::relief(int unit) const {
  int relief = 0;
  std::map<int, std::vector<int>> changed;
  for (const Share& share : shares_[static_cast<size_t>(unit)]) {
    const std::vector<int>& left = rules_[static_cast<size_t>(share.rule)].left;
    if (left.size() == 1) continue;
    const auto entry = changed.try_emplace(share.rule, left).first;
    entry->second[static_cast<size_t>(share.block)] -= share.count;
  }
  for (const auto& [rule, left] : changed) {
    const int smallest = *std::min_element(left.begin(), left.end());
    relief += excess(rule) - (std::accumulate(left.begin(), left.end(), 0) -
                              smallest * static_cast<int>(left.size()));
  }
  return relief;
}

// Of all units in the fuller blocks of an uneven rule: the one that evens most, of these the
// cheapest. -1: there is none, or all is even.
int Remover::next_to_even() const {
  int best = -1, best_relief = std::numeric_limits<int>::min();
  for (size_t r = 0; r < rules_.size(); ++r) {
    if (excess(static_cast<int>(r)) == 0) continue;
    const Rule& rule = rules_[r];
    const int smallest = *std::min_element(rule.left.begin(), rule.left.end());
    for (const auto& [unit, block] : rule.members) {
      if (is_gone(unit) || rule.left[static_cast<size_t>(block)] == smallest) continue;
      const int relieved = relief(unit);
      const bool cheaper = best >= 0 && relieved == best_relief &&
                           scores_[static_cast<size_t>(unit)] < scores_[static_cast<size_t>(best)];
      if (relieved > best_relief || cheaper) {
        best = unit;
        best_relief = relieved;
      }
    }
  }
  return best;
}

bool Remover::remove(int unit) {
  std::vector<int> taken;
  bool fine = true;
  for (int u = unit; fine && u >= 0; u = fine ? next_to_even() : -1) {
    taken.push_back(u);
    fine = take(u);
  }
  for (size_t r = 0; fine && r < rules_.size(); ++r) fine = excess(static_cast<int>(r)) == 0;
  if (!fine) {
    for (const int u : taken) give_back(u);
  }
  return fine;
}

}  // namespace bonsai
