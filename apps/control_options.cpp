#include "apps/control_options.h"

#include <algorithm>

#include <CLI/CLI.hpp>

#include "apps/usage.h"

namespace bonsai::app {
namespace {

Target target_of(const PruningArguments& pruning) {
  const auto [what, part] = parse_ratio("--target", pruning.target);
  require_one_of("--target", what, {resource_names.begin(), resource_names.end()});
  const auto place = std::find(resource_names.begin(), resource_names.end(), what);
  return {static_cast<Resource>(place - resource_names.begin()), part};
}

LossPrediction ranking_of(const ControlArguments& control) {
  require_one_of("--rank", control.ranking, {ranking_names.begin(), ranking_names.end()});
  return control.ranking == ranking_names[0] ? LossPrediction::taylor : LossPrediction::sensitivity;
}

SolveOptions solve_options(const PruningArguments& pruning) {
  const ReconstructionArguments& asked = pruning.reconstruction;
  SolveOptions options;
  if (asked.is_method()) options.selection = asked.select;
  options.pictures = pruning.calibration.value_or(options.pictures);
  options.reconstruction.positions = asked.positions;
  options.reconstruction.residual_target = !asked.no_residual_target;
  return options;
}

}  // namespace

void add_control(CLI::App& parser, ControlArguments& control) {
  parser
      .add_option("--max-drop", control.max_drop,
                  "prune in steps, and keep those that lose at most so many points of accuracy on "
                  "pictures held out; 1 when only --budget is given")
      ->check(CLI::NonNegativeNumber);
  parser.add_option("--budget", control.budget,
                    "prune in steps for at most so long (90s, 30m, 2h); --finetune and --scratch "
                    "come after");
  parser.add_option("--rank", control.ranking,
                    "how steps predict what a layer's loss costs: taylor, or sensitivity "
                    "(measured, slower)");
  parser.add_option("--step", control.step, "part of the whole that the first step should save")
      ->check(CLI::Range(0.001, 1.0));
  parser
      .add_option("--finetune", control.finetune,
                  "epochs of training after pruning; in steps the better of both is the result")
      ->check(CLI::Range(0, 100000));
  parser.add_flag("--scratch{-1}", control.scratch,
                  "also train the same widths from fresh weights, for as many epochs as all steps, "
                  "or --scratch=EPOCHS");
  parser.add_option("--replay", control.replay, "do what this journal says again, to the bit");
  parser.add_flag("--resume", control.resume, "go on where the run in this folder stopped");
}

void check(const ControlledArguments& arguments) {
  const PruningArguments& pruning = arguments.pruning;
  require_usage(!arguments.data.where.empty(),
                "pruning in steps trains and judges on pictures: give --data");
  require_usage(!pruning.target.empty(),
                "pruning in steps needs an aim: give --target macs=0.5, params=0.3 or latency=0.5");
  target_of(pruning);
  ranking_of(arguments.control);
  require_usage(pruning_mode(pruning) != PruningMode::blocks ||
                    ranking_of(arguments.control) == LossPrediction::sensitivity,
                "--mode blocks measures what a block is worth: give --rank sensitivity");
  require_criterion(pruning.criterion);
  if (!arguments.control.budget.empty()) parse_duration("--budget", arguments.control.budget);
  require_usage(pruning.ratios.empty() && !pruning.fold_constants,
                "--ratios and --fold-constants do not go with pruning in steps (--max-drop, "
                "--budget)");
  check(pruning.reconstruction, true);
  require_usage(!pruning.reconstruction.decomposes() && !pruning.reconstruction.compare,
                "--method 3c and --compare are for pruning at once, not for steps (--max-drop, "
                "--budget)");
  require_usage(pruning_mode(pruning) != PruningMode::blocks || arguments.training.epochs > 0,
                "--mode blocks: the layers around a block that goes must learn to do without it: "
                "give --epochs 1 or more");
  require_usage(arguments.training.epochs > 0 || arguments.control.finetune > 0 ||
                    arguments.teacher.file.empty(),
                "--teacher teaches what is trained: give --epochs or --finetune 1 or more");
  require_usage(arguments.control.scratch >= -1, "--scratch is ", arguments.control.scratch,
                ", should be a number of epochs");
}

ControllerOptions controller_options(const ControlledArguments& arguments, int height) {
  constexpr double usual_drop = 1;
  constexpr int usual_pictures = 1024;
  ControllerOptions options;
  options.target = target_of(arguments.pruning);
  options.max_drop = arguments.control.max_drop.value_or(usual_drop);
  if (!arguments.control.budget.empty())
    options.budget = parse_duration("--budget", arguments.control.budget);
  options.mode = pruning_mode(arguments.pruning);
  options.round_to = arguments.pruning.round_to;
  options.criterion = arguments.pruning.criterion;
  options.ranking = ranking_of(arguments.control);
  options.calibration = arguments.pruning.calibration.value_or(usual_pictures);
  options.step = arguments.control.step;
  if (arguments.pruning.reconstruction.is_asked()) options.solve = solve_options(arguments.pruning);
  options.recovery = train_options(arguments.training, height);
  options.resume = arguments.control.resume;
  if (!arguments.control.replay.empty()) options.replay = read_journal(arguments.control.replay);
  return options;
}

}  // namespace bonsai::app
