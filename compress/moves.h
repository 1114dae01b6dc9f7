// Moves: what pruning could do next. A move makes one group narrower, by the fewest channels that
// its rounding allows and that save anything; a step is the moves that lose least per cost saved,
// until enough is saved.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "compress/choose.h"

namespace bonsai {

struct Move {
  std::string group;     // the name of its first layer; or of a block (compress/blocks.h)
  int from = 0, to = 0;  // units; 1 and 0: the block goes
  double loss = 0;       // that it is predicted to add
  double saved = 0;      // of what is to be saved

  bool is_block() const { return to == 0; }
};

// All but `losses` as the caller likes.
struct MoveRules {
  std::vector<std::string> open;          // groups that may shrink
  std::map<std::string, int> widths;      // of all groups in the unpruned network
  int round_to = 1;                       // of those widths (Budget::round_to)
  std::map<std::string, double> penalty;  // factors of the predicted loss; 1 where not named
  // Of the network without these units.
  std::function<double(const std::set<int>&gone)> loss, cost;
};

// The least loss per cost saved first; of equals the one that saves more.
void order(std::vector<Move>& moves, const MoveRules& rules);

// Every group's next move, the least loss per cost saved first.
std::vector<Move> possible_moves(const Graph& graph, const Coupling& coupling, const Scores& scores,
                                 const MoveRules& rules);

struct StepSize {
  double saving = 0;  // enough
  double aim = 0;     // nor need the cost be lower than this
};
struct Step {
  std::vector<Move> moves;
  std::set<int> gone;
};
// The first of the moves, and those after it that fit: a move that would save a quarter more than
// is enough is passed over. Empty when there are none.
Step assemble(const Graph& graph, const Coupling& coupling, const Scores& scores,
              const std::vector<Move>& moves, const MoveRules& rules, const StepSize& size);

}  // namespace bonsai
