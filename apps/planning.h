// --plan: which kernel runs each convolution of a run, measured or from a file, in force for this
// process from before the run.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "engine/measured_plan.h"

namespace CLI {
class App;
}

namespace bonsai::app {

void add_plan(CLI::App& command, std::string& plan);

// Installs a plan and returns its choices, without seconds where they were read. `plan` is
// "measure", or a file: read where it is there, else measured and written. Empty: no plan.
std::vector<MeasuredChoice> install_plan(const std::string& plan, const Graph& graph,
                                         const PlanOptions& options);

// The same for a run in a folder, which keeps its plan as plan.json, and writes its config.json
// later: a resumed run takes that plan, or none if it began without.
void install_plan_of_run(const std::string& plan, const std::filesystem::path& folder, bool resume,
                         const Graph& graph, int batch);

// The choices that are not the first row that fits, with the times of both.
std::string text(const std::vector<MeasuredChoice>& choices);
nlohmann::ordered_json to_json(const std::vector<MeasuredChoice>& choices);

}  // namespace bonsai::app
