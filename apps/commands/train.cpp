// bonsai train: from pictures to a model file, with a report.
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/commands/commands.h"
#include "apps/console.h"
#include "apps/files.h"
#include "apps/findings.h"
#include "apps/measure.h"
#include "apps/models.h"
#include "apps/options.h"
#include "apps/report/text.h"
#include "apps/starting_point.h"
#include "apps/training.h"
#include "engine/file.h"

namespace bonsai::app {
namespace {

struct Arguments {
  NetworkArguments network{.name = "vgg_small"};
  DataArguments data;
  TrainingArguments training{.epochs = 12};
  Common common;
  std::string out;
  bool resume = false;
};

report::ReportData findings(const Graph& graph, const Dataset& data, const TrainResult& result,
                            const TrainOptions& options, const Invocation& invocation) {
  report::ReportData report;
  report.title = graph.info.network + ", trained";
  report.summary = join(recipe(options), ".");
  report.models = {measured("trained", graph, result.test.accuracy)};
  report.stages = {stage_of("training", result.history)};
  report.pictures = sample_pictures(graph, data, result.test);
  report.classes = data.classes;
  report.confusion = result.test.confusion;
  report.facts = common_facts(graph, data);
  report.facts.insert(report.facts.begin() + 2,
                      {{"training", recipe(options)}, {"seed", std::to_string(options.seed)}});
  report.commands = {invocation.text()};
  return report;
}

void run(const Arguments& arguments, const CLI::App& parser, const Invocation& invocation) {
  apply(arguments.common);
  StartingPoint start = starting_point(arguments.network, arguments.data, arguments.training.seed);
  if (arguments.training.hold_out > 0) set_aside(start.data, arguments.training.hold_out);
  const TrainOptions options = train_options(arguments.training, start.data.train.height);
  const std::filesystem::path folder =
      arguments.out.empty() ? "runs/" + start.graph.info.network : arguments.out;
  make_folder(folder);
  write_text(folder / "config.json", config_json(parser, invocation));
  TrainResult result;
  run_resumable(invocation, [&] {
    result = train(start.graph, start.data, options, folder, arguments.resume);
  });

  const std::string model = (folder / "model.bonsai").string();
  save(model, start.graph);
  auto report = findings(start.graph, start.data, result, options, invocation);
  report.next = quoted(invocation.program) + " compress " + quoted(model) + " --data " +
                quoted(arguments.data.where);
  const std::string page = write_report(folder, report).string();
  if (arguments.common.json) {
    print_json({{"accuracy", result.test.accuracy},
                {"loss", result.test.loss},
                {"epochs", options.epochs},
                {"seconds", result.seconds},
                {"images_per_s", result.images_per_second},
                {"model", model},
                {"report", page}});
    return;
  }
  print(join("accuracy ", report::percent(result.test.accuracy, 2), ", loss ",
             report::fixed(result.test.loss, 4), " on ", result.test.images, " test pictures\n",
             "model:  ", model, "\nreport: ", page, "\nnext:   ", report.next, "\n"));
}

Job define(CLI::App& parser, const Invocation& invocation) {
  auto arguments = std::make_shared<Arguments>();
  add_start(parser, arguments->network);
  add_data(parser, arguments->data);
  add_training(parser, arguments->training);
  add_common(parser, arguments->common);
  parser.add_option("--out", arguments->out, "the run's folder; empty: runs/<network>");
  parser.add_flag("--resume", arguments->resume, "go on where the run in this folder stopped");
  return [arguments, &parser, &invocation] { run(*arguments, parser, invocation); };
}

}  // namespace

const Command train_command = {
    "train", "train a network on pictures",
    "  bonsai train --net vgg_small --data cifar10 --epochs 20 --out runs/cifar\n"
    "  bonsai train --net vgg16 --data my-pictures --lr 0.05 --resume\n",
    define};

}  // namespace bonsai::app
