// A pruning run in plain English, a sentence per step, from its journal: every figure in it was
// counted or measured.
#pragma once

#include <string>
#include <vector>

#include "compress/journal.h"

namespace bonsai {

// What a step did, what it came to and why it was kept or taken back; or how the run began, or
// ended. One line, without its end. A plan without a result yet: what is being tried.
struct Decision {
  std::string label, text;  // "step 3"
};
std::vector<Decision> decisions(const std::vector<Record>& journal, const Target& target,
                                double max_drop);

// Why a run ended: "the target is reached".
std::string explain(EndReason reason);

}  // namespace bonsai
