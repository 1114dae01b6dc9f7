// Measurements of networks as the report and --json show them.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "apps/report/data.h"
#include "engine/graph.h"
#include "layers/evaluate.h"

namespace bonsai::app {

report::Measurement measured(const std::string& name, const Graph& graph,
                             std::optional<double> accuracy);
// Before and after, their latencies measured in turns.
std::vector<report::Measurement> compared(const Graph& before,
                                          std::optional<double> accuracy_before, const Graph& after,
                                          std::optional<double> accuracy_after);

nlohmann::ordered_json figures(const report::Measurement& measurement);       // as --json promises
std::string comparison_text(const std::vector<report::Measurement>& models);  // for the terminal

}  // namespace bonsai::app
