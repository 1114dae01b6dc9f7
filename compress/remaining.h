// Which units are left while the groups of a network are decided one after the other, each when
// the layers before it are done.
#pragma once

#include <set>
#include <vector>

#include "compress/criterion.h"
#include "compress/remover.h"

namespace bonsai {

class Remaining {
 public:
  // `widths`: how many units each group is to keep. `scores` say what else goes where removing a
  // unit makes others go (see Remover), until a group has an order of its own. Graph and coupling
  // are the caller's.
  Remaining(const Graph& graph, const Coupling& coupling, std::vector<int> widths, Scores scores);

  const std::set<int>& gone() const { return gone_; }
  bool is_gone(int unit) const { return gone_.count(unit) != 0; }
  // The unit of a channel of an activation; -1: it is pinned.
  int unit_at(int value, int channel) const;
  int group_at(int value, int channel) const;  // -1: pinned

  bool is_open(int group) const { return !decided_[static_cast<size_t>(group)]; }
  std::vector<int> units(int group) const;  // that are left
  int width(int group) const { return widths_[static_cast<size_t>(group)]; }
  // Units of the group will go, now or later.
  bool will_shrink(int group) const;

  // All groups are decided by these units' going.
  void remove(const std::set<int>& units);
  // The group keeps its width of these units, which are all that are left of it, those first in
  // the list; fewer go, or others, where convolutions' groups must stay equal.
  void decide(int group, const std::vector<int>& order);
  void decide(int group);  // by the scores
  // What would be gone after that.
  std::set<int> gone_after(int group, const std::vector<int>& order) const;

 private:
  void take(int group, const Scores& scores, Remover& remover) const;
  static void rank(const std::vector<int>& order, Scores& scores);

  const Coupling& coupling_;
  std::vector<int> widths_;
  Scores scores_;
  std::vector<std::vector<int>> unit_at_;  // per value and channel; empty: all are pinned
  Remover remover_;
  std::vector<bool> decided_;
  std::set<int> gone_;
};

}  // namespace bonsai
