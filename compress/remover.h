// Removes units one by one, or not at all: a removal that would empty an axis, leave the blocks of
// a grouped convolution unequal or a group below its wanted number is undone.
//
// What evens the blocks again is sought among kinds of units, not units: in ShuffleNet every
// channel of a stage is read in blocks by a dozen convolutions, whose boundaries differ, yet
// thousands of channels are of a few dozen kinds. A kind that could not be evened is not tried
// again before something that it shares blocks with has gone.
#pragma once

#include <compare>
#include <cstdint>
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
  void set_floors(std::vector<int> floors);

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
    int total, smallest;                       // of left
    std::vector<std::pair<int, int>> members;  // kind, block
    bool is_even() const { return total == smallest * static_cast<int>(left.size()); }
  };
  struct Share {  // a unit's channels in one block of one rule
    int rule, block, count;
    auto operator<=>(const Share&) const = default;
  };
  // Units with the same shares: removing one does to the rules what removing another does.
  struct Kind {
    std::vector<Share> shares;  // sorted
    std::vector<int> units;     // in order
    int left = 0;               // of the units
    bool failed = false;        // a unit could not go, and nothing that it evens with went since
  };

  Kind& kind_of(int unit) {
    return kinds_[static_cast<size_t>(kind_numbers_[static_cast<size_t>(unit)])];
  }
  double score(int unit) const { return scores_[static_cast<size_t>(unit)]; }
  void add_rules();
  static void add_share(std::vector<Share>& shares, int rule, int block);
  void add_kinds(std::vector<std::vector<Share>> shares);
  bool take(int unit);  // false: something is below its floor
  void give_back(int unit);
  void allow_again(int unit);
  int64_t relief(const Kind& kind) const;
  int cheapest(const Kind& kind) const;
  int next_to_even() const;

  const Coupling& coupling_;  // of the caller, who keeps both alive
  const Scores& scores_;
  std::vector<int> floors_, kept_;
  std::vector<Rule> rules_;
  std::vector<Kind> kinds_;
  std::vector<int> kind_numbers_;  // per unit
  std::set<int> gone_;
};

}  // namespace bonsai
