// Removes units one by one, or not at all: a removal that would empty an axis, leave the blocks of
// a grouped convolution unequal or a group below its wanted number is undone.
#pragma once

#include <set>
#include <utility>
#include <vector>

#include "compress/criterion.h"

namespace bonsai {

class Remover {
 public:
  Remover(const Coupling& coupling, const Scores& scores);
  // As the other one stands, but with other scores from here on.
  Remover(const Remover& other, const Scores& scores);

  // How many units each group keeps at least; 1 at first.
  void set_floors(std::vector<int> floors) { floors_ = std::move(floors); }

  // Removes the unit and whatever must go to keep balance; false, and nothing happened, when that
  // cannot be done.
  bool remove(int unit);

  bool is_gone(int unit) const { return gone_.count(unit) != 0; }
  int kept(int group) const { return kept_[static_cast<size_t>(group)]; }
  const std::set<int>& gone() const { return gone_; }

 private:
  // An axis on which something must hold: every block keeps a channel, and all the same number.
  // Axes that carry the same units in the same blocks say the same and are kept once.
  struct Rule {
    std::vector<int> left;                     // channels, per block
    std::vector<std::pair<int, int>> members;  // unit, block: one for each channel
  };
  struct Share {  // a unit's channels in one block of one rule
    int rule, block, count;
  };

  void add_rules();
  void add_share(int unit, int rule, int block);
  bool take(int unit);  // false: something is below its floor
  void give_back(int unit);
  int excess(int rule) const;
  int relief(int unit) const;
  int next_to_even() const;

  const Coupling& coupling_;  // of the caller, who keeps both alive
  const Scores& scores_;
  std::vector<int> floors_, kept_;
  std::vector<Rule> rules_;
  std::vector<std::vector<Share>> shares_;  // per unit
  std::set<int> gone_;
};

}  // namespace bonsai
