// From scores and a budget to the set of units to remove.
//
// A budget is a part that every group keeps (Li et al. 2017 prune layers of one stage alike), or a
// target for the cost of the whole network. A target is met by bisection: the largest part to keep
// whose network, costed by shapes alone, is within it. Within a group the cheapest units go first
// and of equal ones the earlier, so that exactly the wanted number stays, also under ties.
//
// Whatever is asked, what is left can be built: no axis of any tensor is emptied, and the blocks
// of a grouped convolution keep equal numbers. For the latter, removing a unit makes its block
// smaller than the others; the cheapest units of the fuller blocks follow until all are even, and
// where that fails (a block at its last channel, a group at its wanted number) the whole move is
// undone. It is a greedy search: it can miss a removal that some cleverer sequence would allow.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "compress/criterion.h"

namespace bonsai {

enum class Spread {
  uniform,  // every group keeps the same part of its units
  global,   // the cheapest units of the network go, wherever they are: scores of different groups
            // must be comparable
};

// Parts are of the original, greater than 0 and at most 1.
struct Budget {
  // At most one of these three.
  std::optional<double> macs = {};    // multiply-accumulates of the result, at most
  std::optional<double> params = {};  // parameters of the result, at most
  std::optional<double> keep = {};    // units that every group keeps, rounded down
  // Groups, by the name of any of their producers, that keep a part of their own.
  std::map<std::string, double> groups = {};
  // Groups keep the nearest multiple of this many units, but not none: widths that fill vector
  // registers run quicker. Where it is more than a quarter of a group it is halved until it is
  // not, so that narrow groups have something to give.
  int round_to = 1;
  Spread spread = Spread::uniform;
  // With Spread::global: the part of its units that every group keeps, however low they score;
  // rounded up. Less is removed for it, not more elsewhere.
  double floor = 0;
};

// Budget::round_to for a group of that many units.
int rounding(int units, int round_to);

// Throws Error when the budget makes no sense or cannot be met (then with the least that can).
std::set<int> choose(const Graph& graph, const Coupling& coupling, const Scores& scores,
                     const Budget& budget);

// What it comes to, per group: how many of its units stay.
std::vector<int> kept_units(const Coupling& coupling, const std::set<int>& gone);

}  // namespace bonsai
