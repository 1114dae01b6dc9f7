#include "compress/remaining.h"

#include <algorithm>
#include <utility>

namespace bonsai {

Remaining::Remaining(const Graph& graph, const Coupling& coupling, std::vector<int> widths,
                     Scores scores)
    : coupling_(coupling),
      widths_(std::move(widths)),
      scores_(std::move(scores)),
      unit_at_(graph.values.size()),
      remover_(coupling, scores_),
      decided_(coupling.groups.size(), false) {
  for (size_t u = 0; u < coupling.units.size(); ++u) {
    for (const Channel& channel : coupling.units[u].channels) {
      const Graph::Value& value = graph.values[static_cast<size_t>(channel.axis.value)];
      if (value.parameter) continue;
      std::vector<int>& units = unit_at_[static_cast<size_t>(channel.axis.value)];
      units.resize(static_cast<size_t>(value.shape.back()), -1);
      units[static_cast<size_t>(channel.index)] = static_cast<int>(u);
    }
  }
}

int Remaining::unit_at(int value, int channel) const {
  const std::vector<int>& units = unit_at_[static_cast<size_t>(value)];
  return units.empty() ? -1 : units[static_cast<size_t>(channel)];
}

int Remaining::group_at(int value, int channel) const {
  const int unit = unit_at(value, channel);
  return unit < 0 ? -1 : coupling_.units[static_cast<size_t>(unit)].group;
}

std::vector<int> Remaining::units(int group) const {
  std::vector<int> left;
  for (const int u : coupling_.groups[static_cast<size_t>(group)].units) {
    if (!is_gone(u)) left.push_back(u);
  }
  return left;
}

bool Remaining::will_shrink(int group) const {
  return is_open(group) && width(group) < static_cast<int>(units(group).size());
}

void Remaining::remove(const std::set<int>& units) {
  gone_ = units;
  std::fill(decided_.begin(), decided_.end(), true);
}

void Remaining::decide(int group, const std::vector<int>& order) {
  rank(order, scores_);
  decide(group);
}

void Remaining::decide(int group) {
  take(group, scores_, remover_);
  gone_ = remover_.gone();
  decided_[static_cast<size_t>(group)] = true;
}

std::set<int> Remaining::gone_after(int group, const std::vector<int>& order) const {
  Scores scores = scores_;
  rank(order, scores);
  Remover remover(remover_, scores);
  take(group, scores, remover);
  return remover.gone();
}

// The lowest scores first, until the group is as wide as it should be. Others give nothing below
// what they are to keep, or have kept.
void Remaining::take(int group, const Scores& scores, Remover& remover) const {
  std::vector<int> floors;
  for (size_t g = 0; g < decided_.size(); ++g) {
    const int left = static_cast<int>(units(static_cast<int>(g)).size());
    floors.push_back(decided_[g] ? left : std::min(left, widths_[g]));
  }
  remover.set_floors(std::move(floors));
  std::vector<int> cheapest_first = units(group);
  std::stable_sort(cheapest_first.begin(), cheapest_first.end(), [&](int a, int b) {
    return scores[static_cast<size_t>(a)] < scores[static_cast<size_t>(b)];
  });
  for (const int u : cheapest_first) {
    if (remover.kept(group) <= width(group)) break;
    if (!remover.is_gone(u)) remover.remove(u);
  }
}

void Remaining::rank(const std::vector<int>& order, Scores& scores) {
  for (size_t i = 0; i < order.size(); ++i) {
    scores[static_cast<size_t>(order[i])] = static_cast<double>(order.size() - i);
  }
}

}  // namespace bonsai
