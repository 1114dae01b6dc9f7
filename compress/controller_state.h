// Where a pruning run in steps stands: what its decisions so far come to, and nothing that is not
// in its journal. How large the next step is, and where it looks, follows from here.
#pragma once

#include "compress/journal.h"
#include "compress/planner.h"

namespace bonsai {

struct ControllerState {
  int tried = 0, kept = 0;  // numbers of steps; 0: the original
  int failures = 0;         // in a row
  double saving = 0;        // that the next step aims at, as a part of the original
  NetworkCost cost;         // of the last that was kept
  int from = 0;             // the step whose network that one was cut from
  std::vector<int> gone;    // and its units that went
  PlannerState planner;
};

// Before the first step, which aims at saving this part.
ControllerState beginning(const StartRecord& start, double saving);

// A step that was kept lets the next be a quarter larger, up to `largest`. One that was taken back
// halves it and makes the group that was predicted to lose most four times as dear; of a single
// move there is no half, so its group is frozen.
ControllerState after(ControllerState state, const PlanRecord& plan, const ResultRecord& result,
                      double largest);

}  // namespace bonsai
