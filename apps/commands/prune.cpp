// bonsai prune: takes channels out of a model; at once and without training after, or in steps that
// are trained and judged.
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/commands/commands.h"
#include "apps/console.h"
#include "apps/controlled.h"
#include "apps/decomposition.h"
#include "apps/measure.h"
#include "apps/models.h"
#include "apps/usage.h"
#include "engine/error.h"
#include "engine/file.h"

namespace bonsai::app {
namespace {

using Arguments = ControlledArguments;

void run_at_once(const Arguments& arguments, const Invocation& invocation) {
  require_usage(!arguments.out.empty(), "--out is required: the pruned model's file");
  check(arguments.pruning, !arguments.data.where.empty());
  apply(arguments.common);
  Graph before = open_model(arguments.file);
  std::optional<Dataset> data;
  if (!arguments.data.where.empty()) data = load_for(before, arguments.data);
  auto [after, decomposed, layers] =
      pruned(before, arguments.pruning, data ? &*data : nullptr, arguments.training.seed);
  std::optional<double> accuracy_before, accuracy_after;
  if (data) {
    accuracy_before = evaluate_model(before, *data).accuracy;
    accuracy_after = evaluate_model(after, *data).accuracy;
  }
  save(arguments.out, after);
  const auto models = compared(before, accuracy_before, after, accuracy_after);
  if (arguments.common.json) {
    nlohmann::ordered_json result = {{"before", figures(models[0])}, {"after", figures(models[1])}};
    if (!decomposed.empty()) result["decomposed"] = decomposition_json(decomposed);
    if (!layers.empty()) result["layers"] = layer_error_json(layers);
    print_json(result);
    return;
  }
  if (!decomposed.empty()) print(decomposition_text(decomposed) + "\n");
  if (!layers.empty()) print(layer_error_text(layers) + "\n");
  print(comparison_text(models));
  print("\nmodel: " + arguments.out + "\nnext:  " + quoted(invocation.program) + " train --net " +
        quoted(arguments.out) + " --lr 0.02 --epochs 4   (fine-tunes it)\n");
}

// What has no meaning without steps.
void require_no_step_options(const CLI::App& parser) {
  for (const char* option : {"--epochs", "--batch", "--lr", "--schedule", "--optimizer",
                             "--weight-decay", "--label-smoothing", "--ema", "--no-flip",
                             "--hold-out", "--rank", "--step", "--finetune", "--scratch"})
    require_usage(parser.count(option) == 0, option,
                  " belongs to pruning in steps: give --max-drop or --budget as well");
}

void run(const Arguments& arguments, const CLI::App& parser, const Invocation& invocation) {
  if (arguments.control.is_asked()) {
    run_controlled(arguments, parser, invocation);
  } else {
    require_no_step_options(parser);
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
  add_training(parser, arguments->training);
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
    "  bonsai prune model.bonsai --target latency=0.5 --max-drop 0.5 --budget 30m --data cifar10\n",
    define};

}  // namespace bonsai::app
