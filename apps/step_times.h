// Where the time of a network's steps goes: what bench --layers and train --profile show.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "apps/report/data.h"
#include "engine/step_profile.h"

namespace bonsai::app {

struct StepTimes {
  const StepProfile& profile;
  int runs = 1;        // that were observed, all of one batch size
  double seconds = 0;  // that they took, with what was not observed
  double peak = 0;     // operations per second of this machine's multiply-adds
};

// Every step and direction; the same added up by kind, the costliest first; what else took time.
std::string text(const StepTimes& times);
nlohmann::ordered_json to_json(const StepTimes& times);

// For the report: a bar per step, and the table by kind.
report::Bars bars(const StepTimes& times);
report::Table kinds(const StepTimes& times);

}  // namespace bonsai::app
