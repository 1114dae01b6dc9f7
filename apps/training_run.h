// A run that trains one network in a folder of its own: its options, its report and what it prints.
// What is made small is the command's: plain classes, or a teacher's answers as well.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "apps/invocation.h"
#include "apps/report/data.h"
#include "apps/starting_point.h"
#include "apps/step_times.h"
#include "apps/training.h"

namespace bonsai::app {

struct RunArguments {
  NetworkArguments network{.name = "vgg_small"};
  DataArguments data;
  TrainingArguments training{.epochs = 12};
  Common common;
  std::string out, plan;
  bool resume = false;
};
void add_run(CLI::App& parser, RunArguments& run);

struct TrainingRun {
  // Loads the data and the network, makes the folder, installs the plan, writes config.json.
  TrainingRun(const RunArguments& run, const CLI::App& parser, const Invocation& run_by);

  // Saves the network, writes the report and prints it. `facts` go into the report, `figures` into
  // the JSON, `notes` on lines of their own, `times`, if any, into all three.
  void finish(const TrainResult& result, const std::vector<report::Fact>& facts,
              const nlohmann::ordered_json& figures, const std::string& notes,
              const StepTimes* times = nullptr);

  const RunArguments& arguments;
  const Invocation& invocation;
  StartingPoint start;  // its graph is the one to train
  Images held_out;      // training pictures that it does not learn from
  TrainOptions options;
  std::filesystem::path folder;
};

}  // namespace bonsai::app
