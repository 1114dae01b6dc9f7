// bonsai train: from pictures to a model file, with a report.
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/commands/commands.h"
#include "apps/training_run.h"
#include "engine/kernels/peak.h"
#include "layers/whiten.h"

namespace bonsai::app {
namespace {

struct Arguments {
  RunArguments run;
  bool profile = false, whiten = false;
};

void run(const Arguments& arguments, const CLI::App& parser, const Invocation& invocation) {
  TrainingRun run(arguments.run, parser, invocation);
  if (arguments.whiten)
    whiten_first_layer(run.start.graph, run.start.data.train, run.start.data.mean,
                       run.start.data.std);
  StepProfile profile;
  if (arguments.profile) run.options.observer = &profile;
  TrainResult result;
  run_resumable(invocation, [&] {
    result = train(run.start.graph, run.start.data, run.options, run.folder, arguments.run.resume);
  });
  const StepTimes times{.profile = profile,
                        .runs = static_cast<int>(result.steps),
                        .seconds = result.step_seconds,
                        .peak = arguments.profile ? measured_peak() : 0};
  const bool observed = arguments.profile && result.steps > 0;  // after a resume none may be left
  run.finish(result, {}, nlohmann::ordered_json::object(), "", observed ? &times : nullptr);
}

Job define(CLI::App& parser, const Invocation& invocation) {
  auto arguments = std::make_shared<Arguments>();
  add_run(parser, arguments->run);
  parser.add_flag("--profile", arguments->profile,
                  "show each layer's time, speed and kernel, here and in the report");
  parser.add_flag("--whiten", arguments->whiten,
                  "make the first layer's filters whiten the pictures, and do not train them");
  return [arguments, &parser, &invocation] { run(*arguments, parser, invocation); };
}

}  // namespace

const Command train_command = {
    "train", "train a network on pictures",
    "  bonsai train --net vgg_small --data cifar10 --epochs 20 --out runs/cifar\n"
    "  bonsai train --net vgg16 --data my-pictures --lr 0.05 --resume\n",
    define};

}  // namespace bonsai::app
