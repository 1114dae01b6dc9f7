// A run of the controller as its report and --json show it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "apps/report/data.h"
#include "compress/ceilings.h"
#include "compress/decisions.h"

namespace bonsai::app {

// How far each mode could go.
report::Table ceiling_table(const NetworkCost& whole, const std::vector<Ceiling>& ceilings);

// Accuracy on the pictures held out against what is left of the target's cost: the points that
// were kept, and those that were taken back.
report::Chart trajectory(const std::vector<Record>& journal, const Target& target, double max_drop);

nlohmann::ordered_json steps_json(const std::vector<Record>& journal);

}  // namespace bonsai::app
