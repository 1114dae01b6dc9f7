// bonsai slim: trains a network with a penalty that drives its channels apart, shows how far a cut
// may go, cuts and fine-tunes (apps/slimming.h: what is cut, and by whose method).
#include <algorithm>
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/cliff_report.h"
#include "apps/commands/commands.h"
#include "apps/console.h"
#include "apps/findings.h"
#include "apps/finetuning.h"
#include "apps/measure.h"
#include "apps/models.h"
#include "apps/report/text.h"
#include "apps/score_history.h"
#include "apps/signals.h"
#include "apps/slimming.h"
#include "apps/steps.h"
#include "apps/training_run.h"
#include "apps/usage.h"
#include "compress/cliff.h"
#include "compress/explicit_scales.h"
#include "engine/file.h"

namespace bonsai::app {
namespace {

constexpr int calibration_count = 1024;

struct Arguments {
  RunArguments run;
  SlimmingArguments slimming;
  FinetuningArguments finetuning;
};

void check(const Arguments& arguments) {
  check(arguments.slimming);
  // An average of weights is not zero where they are.
  const std::string& penalty = arguments.slimming.penalty;
  const TrainingArguments& training = arguments.run.training;
  const bool has_zeros = penalty != "l1" && penalty != "group";
  require_usage(!has_zeros || (training.ema == 0 && training.lookahead == 0), "--penalty ", penalty,
                " makes exact zeros, which --ema and --lookahead average away");
  check(arguments.finetuning.teacher);
}

// A run and what its stages found.
struct SlimRun {
  SlimRun(const Arguments& a, const CLI::App& parser, const Invocation& invocation)
      : arguments(a),
        slimming(app::slimming(a.slimming)),
        run(a.run, parser, invocation),
        history(run.folder, slimming->what(), slimming->score_ranges(), a.run.resume) {
    run.start.graph = slimming->prepared(run.start.graph);
    Dataset& data = run.start.data;
    validation = a.run.training.hold_out > 0
                     ? std::move(run.held_out)
                     : set_aside(data, std::clamp(data.train.count() / 5, 1, 1000));
    finetune_options = finetuning_options(a.finetuning, run.options);
  }

  const Arguments& arguments;
  std::unique_ptr<Slimming> slimming;
  TrainingRun run;
  ScoreHistory history;
  Images validation;  // training pictures to judge by
  TrainOptions finetune_options;
  std::vector<EpochRecord> training, finetuning;
  Evaluation tested_before, tested_cut, tested_after;
  std::vector<CliffPoint> cliff;
  Graph after;
  std::string teacher;
};

// What is known from the first epoch on.
report::ReportData findings_so_far(const SlimRun& s) {
  const Graph& graph = s.run.start.graph;
  const SlimmingArguments& slimming = s.arguments.slimming;
  report::ReportData report;
  report.title = graph.info.network + ", while it is slimmed";
  report.summary =
      join("Trained with the penalty ", slimming.penalty, " of ", slimming.strength, " on ",
           data_description(s.run.start.data), "; cut ", s.slimming->cut_text(),
           "; fine-tuned for ", s.arguments.finetuning.epochs, " epochs.");
  report.stages = {stage_of("training", s.training)};
  report.heat_maps = {s.history.map()};
  report.facts = common_facts(graph, s.run.start.data);
  const std::vector<report::Fact> own = {
      {"training", recipe(s.run.options)},
      {"penalty", join(slimming.penalty, ", ", slimming.strength)},
      {"cut", s.slimming->cut_text()},
      {"seed", std::to_string(s.run.options.seed)}};
  report.facts.insert(report.facts.begin() + 2, own.begin(), own.end());
  report.commands = {s.run.invocation.text()};
  return report;
}

void train_stage(SlimRun& s) {
  say("== training with a penalty");
  Graph& graph = s.run.start.graph;
  const auto penalty = s.slimming->penalty(graph, !is_model_file(s.arguments.run.network.name));
  s.slimming->scores(graph);  // what has no score is an error now, not after the training
  s.run.options.penalty = penalty.get();
  s.run.options.progress = [&](const Progress& progress) {
    if (progress.stage != Progress::Stage::epoch_done) return;
    s.history.add(progress.epoch, s.slimming->scores(graph));
    s.training.push_back(*progress.record);
    write_report(s.run.folder, findings_so_far(s));  // to look at while it learns
  };
  TrainResult result =
      train(graph, s.run.start.data, s.run.options, s.run.folder / "train", s.arguments.run.resume);
  s.training = std::move(result.history);
  s.tested_before = std::move(result.test);
  save((s.run.folder / "model.bonsai").string(), fold_scales(graph));
}

void cliff_stage(SlimRun& s) {
  say("== what a cut would leave");
  const Dataset& data = s.run.start.data;
  Steps steps("cutting");
  const Judge judge{s.validation, data.mean, data.std};
  Graph& graph = s.run.start.graph;
  const auto calibration = calibration_pictures(graph, data, calibration_count, s.run.options.seed);
  s.cliff =
      s.slimming->cliff(graph, judge, calibration,
                        {.progress = [&steps](int done, int total) { steps.show(done, total); },
                         .stop = &stop_requested()});
  steps.clear();
  end_if_stopped();
  say(cliff_text(s.cliff, s.slimming->what()));
}

void cut_stage(SlimRun& s) {
  say("== cutting " + s.slimming->cut_text());
  Graph& graph = s.run.start.graph;
  s.after = s.slimming->cut(graph);
  graph = fold_scales(std::move(graph));  // its layers are named as those of `after` again
  s.tested_cut = s.tested_after = evaluate_model(s.after, s.run.start.data);
  say("accuracy after the cut, before fine-tuning: " + report::percent(s.tested_cut.accuracy, 2));
  if (s.arguments.finetuning.epochs > 0) {
    say("== fine-tuning");
    FinetuningResult result =
        finetune(s.after, graph, s.run.start.data, s.arguments.finetuning.teacher,
                 s.finetune_options, s.run.folder / "finetune", s.arguments.run.resume);
    s.finetuning = std::move(result.training.history);
    s.tested_after = std::move(result.training.test);
    s.teacher = std::move(result.teacher);
  }
  save((s.run.folder / "slim.bonsai").string(), s.after);
}

report::ReportData findings(const SlimRun& s, std::vector<report::Measurement> models) {
  const Dataset& data = s.run.start.data;
  report::ReportData report = findings_so_far(s);
  report.title = s.run.start.graph.info.network + ", slimmed";
  report.models = std::move(models);
  if (!s.finetuning.empty()) report.stages.push_back(stage_of("fine-tuning", s.finetuning));
  report.stage_mark = "cut";
  report.layers = channel_widths(s.run.start.graph, s.after);
  report.charts = {cliff_chart(s.cliff, s.slimming->what())};
  report.pictures = sample_pictures(s.after, data, s.tested_after);
  report.classes = data.classes;
  report.confusion = s.tested_after.confusion;
  report.confusion_of = "slim network";
  if (!s.teacher.empty()) report.facts.push_back({"teacher", s.teacher});
  report.next = quoted(s.run.invocation.program) + " slim --net " +
                quoted((s.run.folder / "slim.bonsai").string()) + " --data " +
                quoted(s.arguments.run.data.where) + "   (cuts again)";
  return report;
}

void run(const Arguments& arguments, const CLI::App& parser, const Invocation& invocation) {
  check(arguments);
  SlimRun s(arguments, parser, invocation);
  run_resumable(invocation, [&] {
    train_stage(s);
    cliff_stage(s);
    cut_stage(s);
  });
  const auto models =
      compared(s.run.start.graph, s.tested_before.accuracy, s.after, s.tested_after.accuracy);
  const report::ReportData report = findings(s, models);
  const std::string page = write_report(s.run.folder, report).string();
  const std::string model = (s.run.folder / "slim.bonsai").string();
  if (arguments.run.common.json) {
    print_json({{"before", figures(models[0])},
                {"after", figures(models[1])},
                {"accuracy_cut", s.tested_cut.accuracy},
                {"cliff", cliff_json(s.cliff)},
                {"model", model},
                {"report", page}});
    return;
  }
  print("\n" + comparison_text(models));
  print("\nmodel:  " + model + "\nreport: " + page + "\nnext:   " + report.next + "\n");
}

Job define(CLI::App& parser, const Invocation& invocation) {
  auto arguments = std::make_shared<Arguments>();
  add_run(parser, arguments->run);
  add_slimming(parser, arguments->slimming);
  add_finetuning(parser, arguments->finetuning);
  return [arguments, &parser, &invocation] { run(*arguments, parser, invocation); };
}

}  // namespace

const Command slim_command = {
    "slim", "train with a penalty on channels, then cut those that it drove to zero",
    "  bonsai slim --net vgg_small --data cifar10 --epochs 30 --part 0.6 --finetune 10\n"
    "  bonsai slim --net resnet20 --data cifar10 --penalty group --lambda 5e-4 --target macs=0.5\n"
    "  bonsai slim --net resnet56 --data cifar10 --penalty blocks --lambda 0.02\n"
    "  bonsai slim --net model.bonsai --data cifar10 --penalty proximal --teacher self\n",
    define};

}  // namespace bonsai::app
