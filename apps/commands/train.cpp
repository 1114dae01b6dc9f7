// bonsai train: from pictures to a model file, with a report.
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/commands/commands.h"
#include "apps/training_run.h"

namespace bonsai::app {
namespace {

void run(const RunArguments& arguments, const CLI::App& parser, const Invocation& invocation) {
  TrainingRun run(arguments, parser, invocation);
  TrainResult result;
  run_resumable(invocation, [&] {
    result = train(run.start.graph, run.start.data, run.options, run.folder, arguments.resume);
  });
  run.finish(result, {}, nlohmann::ordered_json::object(), "");
}

Job define(CLI::App& parser, const Invocation& invocation) {
  auto arguments = std::make_shared<RunArguments>();
  add_run(parser, *arguments);
  return [arguments, &parser, &invocation] { run(*arguments, parser, invocation); };
}

}  // namespace

const Command train_command = {
    "train", "train a network on pictures",
    "  bonsai train --net vgg_small --data cifar10 --epochs 20 --out runs/cifar\n"
    "  bonsai train --net vgg16 --data my-pictures --lr 0.05 --resume\n",
    define};

}  // namespace bonsai::app
