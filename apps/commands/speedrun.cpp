// bonsai speedrun: how soon a network reaches which accuracy, by a recipe made for that.
#include <array>
#include <memory>
#include <optional>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/commands/commands.h"
#include "apps/console.h"
#include "apps/report/text.h"
#include "apps/training_run.h"
#include "apps/usage.h"
#include "engine/stopwatch.h"
#include "layers/whiten.h"

namespace bonsai::app {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array marks = {0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.92, 0.93, 0.94};

// Jordan 2024, arXiv:2404.00498, whose sum of losses and decoupled rates are here a mean and what
// comes to the same: 11.5 / (1 + 1 / (1 - momentum)) for 1024 pictures, decay 0.0153 / 11.5.
RunArguments recipe_arguments() {
  RunArguments run;
  run.network.name = "airbench93";
  TrainingArguments& training = run.training;
  training.epochs = 11;
  training.batch = 1024;
  training.momentum = 0.85;
  training.weight_decay = 0.0153 / 11.5;
  training.bias_rate = 64;
  training.warm_up = 0.23;
  training.first = 0.2;
  training.last = 0.07;
  training.label_smoothing = 0.2;
  training.lookahead = 5;
  training.shift = 2;
  training.alternate_flip = training.flip_test = true;
  return run;
}

double usual_rate(const TrainingArguments& training) {
  return 11.5 / (1 + 1 / (1 - training.momentum)) * training.batch / 1024;
}

struct Reached {
  double mark;
  int epoch;
  double seconds;  // of training and what went before it
};

std::vector<Reached> reached_marks(const std::vector<EpochRecord>& history, double prepared) {
  std::vector<Reached> all;
  double seconds = prepared;
  for (const EpochRecord& record : history) {
    seconds += record.seconds;
    while (all.size() < marks.size() && record.accuracy >= marks[all.size()])
      all.push_back({marks[all.size()], record.epoch, seconds});
  }
  return all;
}

std::string text(const std::vector<Reached>& reached) {
  if (reached.empty()) return join("no epoch reached ", report::percent(marks[0], 0), "\n");
  std::vector<std::vector<std::string>> rows;
  for (const Reached& r : reached)
    rows.push_back(
        {report::percent(r.mark, 0), std::to_string(r.epoch), report::fixed(r.seconds, 1) + " s"});
  return table({"accuracy", "epoch", "training"}, rows);
}

Json json_of(const std::vector<Reached>& reached, const std::vector<EpochRecord>& history) {
  Json json = {{"marks", Json::array()}, {"history", Json::array()}};
  for (const Reached& r : reached)
    json["marks"].push_back({{"accuracy", r.mark}, {"epoch", r.epoch}, {"seconds", r.seconds}});
  for (const EpochRecord& r : history)
    json["history"].push_back(
        {{"epoch", r.epoch}, {"loss", r.loss}, {"accuracy", r.accuracy}, {"seconds", r.seconds}});
  return json;
}

void run(RunArguments& arguments, const CLI::App& parser, const Invocation& invocation) {
  // The recipe's rate of biases is one for sgd.
  if (arguments.training.optimiser != "sgd" && parser.count("--bias-rate") == 0)
    arguments.training.bias_rate = 1;
  TrainingRun run(arguments, parser, invocation);
  const Stopwatch watch;
  whiten_first_layer(run.start.graph, run.start.data.train, run.start.data.mean,
                     run.start.data.std);
  const double prepared = watch.seconds();
  if (arguments.training.lr == 0 && run.options.optimiser.kind == OptimiserKind::sgd)
    run.options.lr = static_cast<float>(usual_rate(arguments.training));
  TrainResult result;
  run_resumable(invocation, [&] {
    result = train(run.start.graph, run.start.data, run.options, run.folder, arguments.resume);
  });
  const std::vector<Reached> reached = reached_marks(result.history, prepared);
  const std::string note =
      text(reached) + "with all tests: " + report::fixed(prepared + result.seconds, 1) + " s\n";
  run.finish(result, {}, json_of(reached, result.history), note);
}

Job define(CLI::App& parser, const Invocation& invocation) {
  auto arguments = std::make_shared<RunArguments>(recipe_arguments());
  add_run(parser, *arguments);
  return [arguments, &parser, &invocation] { run(*arguments, parser, invocation); };
}

}  // namespace

const Command speedrun_command = {
    "speedrun", "seconds from pictures to each mark of accuracy",
    "  bonsai speedrun --data cifar10\n"
    "  bonsai speedrun --net airbench94 --epochs 10 --data cifar10 --json\n",
    define};

}  // namespace bonsai::app
