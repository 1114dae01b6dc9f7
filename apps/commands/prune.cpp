// bonsai prune: takes channels out of a model, without training after.
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/commands/commands.h"
#include "apps/console.h"
#include "apps/measure.h"
#include "apps/models.h"
#include "apps/options.h"
#include "apps/pruning.h"
#include "engine/error.h"
#include "engine/file.h"

namespace bonsai::app {
namespace {

struct Arguments {
  std::string file, out;
  PruningArguments pruning;
  DataArguments data{.where = ""};
  uint64_t seed = 1;
  Common common;
};

void run(const Arguments& arguments, const Invocation& invocation) {
  check(arguments.pruning, !arguments.data.where.empty());
  apply(arguments.common);
  Graph before = open_model(arguments.file);
  std::optional<Dataset> data;
  if (!arguments.data.where.empty()) data = load_for(before, arguments.data);
  std::vector<ReconstructedLayer> layers;
  Graph after = pruned(before, arguments.pruning, data ? &*data : nullptr, arguments.seed, &layers);
  std::optional<double> accuracy_before, accuracy_after;
  if (data) {
    accuracy_before = evaluate_model(before, *data).accuracy;
    accuracy_after = evaluate_model(after, *data).accuracy;
  }
  save(arguments.out, after);
  const auto models = compared(before, accuracy_before, after, accuracy_after);
  if (arguments.common.json) {
    nlohmann::ordered_json result = {{"before", figures(models[0])}, {"after", figures(models[1])}};
    if (!layers.empty()) result["layers"] = layer_error_json(layers);
    print_json(result);
    return;
  }
  if (!layers.empty()) print(layer_error_text(layers) + "\n");
  print(comparison_text(models));
  print("\nmodel: " + arguments.out + "\nnext:  " + quoted(invocation.program) + " train --net " +
        quoted(arguments.out) + " --lr 0.02 --epochs 4   (fine-tunes it)\n");
}

Job define(CLI::App& parser, const Invocation& invocation) {
  auto arguments = std::make_shared<Arguments>();
  parser.add_option("model", arguments->file, "a model file")->required();
  parser.add_option("--out", arguments->out, "the pruned model's file")->required();
  add_pruning(parser, arguments->pruning, "");
  add_data(parser, arguments->data);
  parser.add_option("--seed", arguments->seed,
                    "of the calibration pictures and positions, and of --criterion random");
  add_common(parser, arguments->common);
  return [arguments, &invocation] { run(*arguments, invocation); };
}

}  // namespace

const Command prune_command = {
    "prune", "take channels out of a model",
    "  bonsai prune model.bonsai --target macs=0.5 --out pruned.bonsai\n"
    "  bonsai prune model.bonsai --ratio 0.7 --round-to 16 --data cifar10 --out pruned.bonsai\n"
    "  bonsai prune model.bonsai --criterion taylor --data cifar10 --target params=0.5 --out "
    "pruned.bonsai\n"
    "  bonsai prune model.bonsai --method lasso --target macs=0.5 --data cifar10 --out "
    "pruned.bonsai\n",
    define};

}  // namespace bonsai::app
