// bonsai prune: takes channels out of a model; at once, with or without training after, or in steps
// that are trained and judged.
#include <functional>
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/commands/commands.h"
#include "apps/console.h"
#include "apps/controlled.h"
#include "apps/decomposition.h"
#include "apps/files.h"
#include "apps/finetuning.h"
#include "apps/measure.h"
#include "apps/models.h"
#include "apps/recorded_times.h"
#include "apps/sampling.h"
#include "apps/usage.h"
#include "engine/error.h"
#include "engine/file.h"

namespace bonsai::app {
namespace {

using Arguments = ControlledArguments;

void check_at_once(const Arguments& arguments) {
  const bool has_data = !arguments.data.where.empty();
  require_usage(!arguments.out.empty(), "--out is required: the pruned model's file");
  require_usage(arguments.control.finetune == 0 || has_data,
                "--finetune learns from pictures: give --data");
  require_usage(arguments.control.finetune > 0 || arguments.teacher.file.empty(),
                "--teacher teaches what is trained after pruning: give --finetune, --max-drop or "
                "--budget");
  check(arguments.pruning, has_data);
  check(arguments.teacher);
}

// Where checkpoint and log stand: beside the model's file.
std::filesystem::path finetuning_folder(const Arguments& arguments) {
  return std::filesystem::path(arguments.out).replace_extension("finetune");
}

// Returns what it came to.
TrainResult finetune_at_once(const Arguments& arguments, const Invocation& invocation, Graph& after,
                             const Graph& before, Dataset data) {
  const TrainingArguments& training = arguments.training;
  if (training.hold_out > 0) set_aside(data, training.hold_out);
  TrainOptions options = train_options(training, data.train.height);
  options.epochs = arguments.control.finetune;
  TrainResult result;
  run_resumable(invocation, [&] {
    result = finetune(after, before, data, arguments.teacher, options, finetuning_folder(arguments),
                      arguments.control.resume)
                 .training;
  });
  return result;
}

// What is resumed goes by the times that it went by at first.
Pruned prune_at_once(const Arguments& arguments, const Graph& before, const Dataset* data) {
  if (arguments.control.finetune == 0)
    return pruned(before, arguments.pruning, data, arguments.training.seed);
  const std::filesystem::path folder = finetuning_folder(arguments);
  make_folder(folder);
  RecordedTimes times(folder / "times.json", arguments.control.resume);
  return pruned(before, arguments.pruning, data, arguments.training.seed, std::ref(times));
}

void run_at_once(const Arguments& arguments, const Invocation& invocation) {
  check_at_once(arguments);
  apply(arguments.common);
  Graph before = open_model(arguments.file);
  std::optional<Dataset> data;
  if (!arguments.data.where.empty()) data = load_for(before, arguments.data);
  auto [after, decomposed, sampled, layers] =
      prune_at_once(arguments, before, data ? &*data : nullptr);
  std::optional<double> accuracy_before, accuracy_pruned, accuracy_after;
  if (data) {
    accuracy_before = evaluate_model(before, *data).accuracy;
    accuracy_after = accuracy_pruned = evaluate_model(after, *data).accuracy;
  }
  if (arguments.control.finetune > 0)
    accuracy_after = finetune_at_once(arguments, invocation, after, before, *data).test.accuracy;
  save(arguments.out, after);
  const auto models = compared(before, accuracy_before, after, accuracy_after);
  if (arguments.common.json) {
    nlohmann::ordered_json result = {{"before", figures(models[0])}, {"after", figures(models[1])}};
    if (!decomposed.empty()) result["decomposed"] = decomposition_json(decomposed);
    if (!sampled.empty()) result["sampled"] = sampling_json(sampled);
    if (arguments.control.finetune > 0) result["accuracy_pruned"] = *accuracy_pruned;
    if (!layers.empty()) result["layers"] = layer_error_json(layers);
    print_json(result);
    return;
  }
  if (!decomposed.empty()) print(decomposition_text(decomposed) + "\n");
  if (!sampled.empty()) print(sampling_text(sampled) + "\n");
  if (!layers.empty()) print(layer_error_text(layers) + "\n");
  print(comparison_text(models));
  print("\nmodel: " + arguments.out + "\nnext:  " + quoted(invocation.program) + " train --net " +
        quoted(arguments.out) + " --lr 0.02 --epochs 4   (fine-tunes it)\n");
}

// What has no meaning without steps, or without any training.
void require_no_step_options(const CLI::App& parser, bool trains) {
  for (const char* option : {"--epochs", "--rank", "--step", "--scratch"})
    require_usage(parser.count(option) == 0, option,
                  " belongs to pruning in steps: give --max-drop or --budget as well");
  for (const char* option : {"--batch", "--lr", "--schedule", "--optimizer", "--weight-decay",
                             "--label-smoothing", "--ema", "--no-flip", "--hold-out"})
    require_usage(trains || parser.count(option) == 0, option,
                  " belongs to training: give --finetune, or --max-drop or --budget");
}

void run(const Arguments& arguments, const CLI::App& parser, const Invocation& invocation) {
  if (arguments.control.is_asked()) {
    run_controlled(arguments, parser, invocation);
  } else {
    require_no_step_options(parser, arguments.control.finetune > 0);
    run_at_once(arguments, invocation);
  }
}

Job define(CLI::App& parser, const Invocation& invocation) {
  auto arguments = std::make_shared<Arguments>();
  arguments->data.where = "";
  arguments->training = {.epochs = 1, .lr = 0.01, .schedule = "cosine"};
  parser.add_option("model", arguments->file, "a model file")->required();
  parser.add_option("--out", arguments->out,
                    "the pruned model's file; in steps the run's folder, empty: "
                    "runs/<network>-pruned");
  add_pruning(parser, arguments->pruning, "");
  add_data(parser, arguments->data);
  add_control(parser, arguments->control);
  add_teacher(parser, arguments->teacher);
  add_training(parser, arguments->training, 0);
  add_common(parser, arguments->common);
  return [arguments, &parser, &invocation] { run(*arguments, parser, invocation); };
}

}  // namespace

const Command prune_command = {
    "prune", "take channels out of a model, at once or in steps",
    "  bonsai prune model.bonsai --target macs=0.5 --out pruned.bonsai\n"
    "  bonsai prune model.bonsai --ratio 0.7 --round-to 16 --data cifar10 --out pruned.bonsai\n"
    "  bonsai prune model.bonsai --criterion taylor --data cifar10 --target params=0.5 --out "
    "pruned.bonsai\n"
    "  bonsai prune model.bonsai --method lasso --target macs=0.5 --data cifar10 --out "
    "pruned.bonsai\n"
    "  bonsai prune model.bonsai --method 3c --target macs=0.25 --data cifar10 --out "
    "pruned.bonsai\n"
    "  bonsai prune model.bonsai --target macs=0.5 --data cifar10 --finetune 4 --teacher self "
    "--out "
    "pruned.bonsai\n"
    "  bonsai prune model.bonsai --target latency=0.5 --max-drop 0.5 --budget 30m --data cifar10\n"
    "  bonsai prune model.bonsai --target macs=0.6 --max-drop 2 --method lasso --epochs 0 --data "
    "cifar10\n",
    define};

}  // namespace bonsai::app
