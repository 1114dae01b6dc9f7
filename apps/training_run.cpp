#include "apps/training_run.h"

#include <algorithm>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/console.h"
#include "apps/files.h"
#include "apps/findings.h"
#include "apps/measure.h"
#include "apps/planning.h"
#include "apps/report/text.h"
#include "engine/file.h"

namespace bonsai::app {
namespace {

// Of the time of training steps, how much went by before the next batch was there.
double waiting_share(const TrainResult& result) {
  return result.step_seconds > 0 ? result.data_seconds / result.step_seconds : 0;
}

double step_ms(const TrainResult& result) {
  return 1000 * result.step_seconds / static_cast<double>(std::max<int64_t>(result.steps, 1));
}

}  // namespace

void add_run(CLI::App& parser, RunArguments& run) {
  add_start(parser, run.network);
  add_data(parser, run.data);
  add_training(parser, run.training);
  add_common(parser, run.common);
  add_plan(parser, run.plan);
  parser.add_option("--out", run.out, "the run's folder; empty: runs/<network>");
  parser.add_flag("--resume", run.resume, "go on where the run in this folder stopped");
}

TrainingRun::TrainingRun(const RunArguments& run, const CLI::App& parser, const Invocation& run_by)
    : arguments(run), invocation(run_by) {
  apply(run.common);
  start = starting_point(run.network, run.data, run.training.seed);
  if (run.training.hold_out > 0) held_out = set_aside(start.data, run.training.hold_out);
  options = train_options(run.training, start.data.train.height);
  folder = run.out.empty() ? "runs/" + start.graph.info.network : run.out;
  make_folder(folder);
  install_plan_of_run(run.plan, folder, run.resume, start.graph, options.batch);
  write_text(folder / "config.json", config_json(parser, invocation));
}

void TrainingRun::finish(const TrainResult& result, const std::vector<report::Fact>& facts,
                         const nlohmann::ordered_json& figures, const std::string& notes,
                         const StepTimes* times) {
  const Graph& graph = start.graph;
  const Dataset& data = start.data;
  const std::string model = (folder / "model.bonsai").string();
  save(model, graph);

  report::ReportData report;
  report.title = graph.info.network + ", trained";
  report.summary = join(recipe(options), ".");
  report.models = {measured("trained", graph, result.test.accuracy)};
  report.stages = {stage_of("training", result.history)};
  report.pictures = sample_pictures(graph, data, result.test);
  report.classes = data.classes;
  report.confusion = result.test.confusion;
  report.facts = common_facts(graph, data);
  std::vector<report::Fact> own = {{"training", recipe(options)}};
  own.insert(own.end(), facts.begin(), facts.end());
  own.push_back({"seed", std::to_string(options.seed)});
  report.facts.insert(report.facts.begin() + 2, own.begin(), own.end());
  if (times != nullptr) {
    report.bars = {bars(*times)};
    report.tables = {kinds(*times)};
  }
  report.commands = {invocation.text()};
  report.next = quoted(invocation.program) + " compress " + quoted(model) + " --data " +
                quoted(arguments.data.where);
  const std::string page = write_report(folder, report).string();

  if (arguments.common.json) {
    nlohmann::ordered_json json = {{"accuracy", result.test.accuracy},
                                   {"loss", result.test.loss},
                                   {"epochs", options.epochs},
                                   {"seconds", result.seconds},
                                   {"images_per_s", result.images_per_second},
                                   {"step_ms", step_ms(result)},
                                   {"waiting_for_data", waiting_share(result)},
                                   {"model", model},
                                   {"report", page}};
    json.update(figures);
    if (times != nullptr) json["layers"] = to_json(*times);
    print_json(json);
    return;
  }
  if (times != nullptr) print(text(*times) + "\n");
  print(join("accuracy ", report::percent(result.test.accuracy, 2), ", loss ",
             report::fixed(result.test.loss, 4), " on ", result.test.images, " test pictures\n",
             "waited for data ", report::percent(waiting_share(result)), " of the training\n",
             notes, "model:  ", model, "\nreport: ", page, "\nnext:   ", report.next, "\n"));
}

}  // namespace bonsai::app
