// The options of pruning in steps, and what they lead to.
#pragma once

#include <optional>
#include <string>

#include "apps/finetuning.h"
#include "apps/options.h"
#include "apps/pruning.h"
#include "apps/training.h"
#include "compress/controller.h"

namespace CLI {
class App;
}

namespace bonsai::app {

struct ControlArguments {
  std::optional<double> max_drop;  // points
  std::string budget;              // "30m"; empty: none
  std::string ranking = "taylor";
  double step = 0.1;
  int finetune = 0;  // epochs, of the network that pruning led to
  int scratch = 0;   // epochs; -1: as many as were trained in all steps
  std::string replay;
  bool resume = false;

  bool is_asked() const {
    return max_drop || !budget.empty() || !replay.empty() || (resume && finetune == 0);
  }
};
void add_control(CLI::App& parser, ControlArguments& control);

// All that `bonsai prune` was told.
struct ControlledArguments {
  std::string file, out;  // `out`: the run's folder; empty: runs/<network>-pruned
  PruningArguments pruning;
  DataArguments data;
  TrainingArguments training;
  ControlArguments control;
  TeacherArguments teacher;  // of what is trained after pruning
  Common common;
};

// Throws UsageError on what does not go with steps, or is missing.
void check(const ControlledArguments& arguments);
// For pictures of this height; without the folder and what is said on the way.
ControllerOptions controller_options(const ControlledArguments& arguments, int height);

}  // namespace bonsai::app
