// bonsai compress: the main job. Trains (or loads) a network, prunes it, fine-tunes it, measures
// both and writes a report. Every stage leaves its result in the run's folder, and training stages
// their checkpoints, so that --resume repeats nothing that was finished.
#include <algorithm>
#include <functional>
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/commands/commands.h"
#include "apps/console.h"
#include "apps/decomposition.h"
#include "apps/files.h"
#include "apps/findings.h"
#include "apps/finetuning.h"
#include "apps/measure.h"
#include "apps/models.h"
#include "apps/options.h"
#include "apps/pruning.h"
#include "apps/recorded_times.h"
#include "apps/report/comparison.h"
#include "apps/report/text.h"
#include "apps/sampling.h"
#include "apps/signals.h"
#include "apps/starting_point.h"
#include "apps/training.h"
#include "apps/usage.h"
#include "engine/file.h"

namespace bonsai::app {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::string file;  // a trained model; empty: train one
  NetworkArguments network{.name = "vgg_small"};
  DataArguments data;
  TrainingArguments training{.epochs = 4, .batch = 64};
  PruningArguments pruning;
  FinetuningArguments finetuning;
  Common common;
  std::string out;
  bool resume = false;
};

// What the stages found.
struct Run {
  StartingPoint start;  // its graph: the trained network
  Graph after;
  Pruned pruned;  // its graph is moved to `after`
  std::vector<EpochRecord> training, finetuning;
  Evaluation tested_before, tested_pruned, tested_after;
  TrainOptions train_options, finetune_options;
  std::string teacher;  // of the fine-tuning, in words
  fs::path folder, model, pruned_model;
};

void stage(const std::string& title) { say("== " + title); }

void train_stage(const Arguments& arguments, Run& run) {
  Graph& graph = run.start.graph;
  if (arguments.file.empty()) {
    stage(join("training ", graph.info.network));
    TrainResult result =
        train(graph, run.start.data, run.train_options, run.folder / "train", arguments.resume);
    run.training = std::move(result.history);
    run.tested_before = std::move(result.test);
  } else {
    stage("testing " + arguments.file);
    run.tested_before = evaluate_model(graph, run.start.data);
  }
  save(run.model.string(), graph);
  say("accuracy before pruning: " + report::percent(run.tested_before.accuracy, 2));
  end_if_stopped();
}

void prune_stage(const Arguments& arguments, RecordedTimes& times, Run& run) {
  stage("pruning " + description(arguments.pruning));
  run.pruned = pruned(run.start.graph, arguments.pruning, &run.start.data, arguments.training.seed,
                      std::ref(times));
  run.after = std::move(run.pruned.graph);
  run.tested_pruned = evaluate_model(run.after, run.start.data);
  say("accuracy after pruning, before fine-tuning: " +
      report::percent(run.tested_pruned.accuracy, 2));
}

void finetune_stage(const Arguments& arguments, Run& run) {
  if (arguments.finetuning.epochs > 0) {
    stage("fine-tuning");
    FinetuningResult result =
        finetune(run.after, run.start.graph, run.start.data, arguments.finetuning.teacher,
                 run.finetune_options, run.folder / "finetune", arguments.resume);
    run.finetuning = std::move(result.training.history);
    run.tested_after = std::move(result.training.test);
    run.teacher = std::move(result.teacher);
  } else {
    run.tested_after = run.tested_pruned;
  }
  save(run.pruned_model.string(), run.after);
}

std::vector<report::Stage> stages_of(const Run& run) {
  std::vector<report::Stage> stages;
  if (!run.training.empty()) stages.push_back(stage_of("training", run.training));
  if (!run.finetuning.empty()) {
    report::Stage finetuning = stage_of("fine-tuning", run.finetuning);
    finetuning.epochs.insert(finetuning.epochs.begin(),
                             {.epoch = 0,
                              .train_loss = {},
                              .train_accuracy = {},
                              .test_loss = run.tested_pruned.loss,
                              .test_accuracy = run.tested_pruned.accuracy});
    stages.push_back(std::move(finetuning));
  }
  return stages;
}

std::string summary_of(const Arguments& arguments, const Run& run) {
  std::string text = arguments.file.empty() ? join("Trained for ", run.train_options.epochs,
                                                   " epochs on ", data_description(run.start.data))
                                            : "Loaded from " + arguments.file + ", tested on " +
                                                  data_description(run.start.data);
  text += "; pruned " + description(arguments.pruning);
  if (arguments.finetuning.epochs > 0)
    text += join("; fine-tuned for ", arguments.finetuning.epochs, " epochs");
  return text + ".";
}

report::ReportData findings(const Arguments& arguments, const Invocation& invocation,
                            const Run& run, std::vector<report::Measurement> models,
                            const fs::path& sample) {
  const Dataset& data = run.start.data;
  report::ReportData report;
  report.title = run.start.graph.info.network + ", pruned";
  report.summary = summary_of(arguments, run);
  report.models = std::move(models);
  report.stages = stages_of(run);
  report.stage_mark = "pruned";
  report.layers = channel_widths(run.start.graph, run.after);
  report.layer_errors = layer_errors(run.pruned.layers);
  report.pictures = sample_pictures(run.after, data, run.tested_after);
  report.classes = data.classes;
  report.confusion = run.tested_after.confusion;
  report.confusion_of = "pruned network";
  report.facts = common_facts(run.after, data);
  std::vector<report::Fact> recipe_facts;
  if (arguments.file.empty()) recipe_facts.push_back({"training", recipe(run.train_options)});
  recipe_facts.push_back({"pruning", description(arguments.pruning)});
  if (arguments.finetuning.epochs > 0)
    recipe_facts.push_back({"fine-tuning", recipe(run.finetune_options)});
  if (!run.teacher.empty()) recipe_facts.push_back({"teacher", run.teacher});
  recipe_facts.push_back({"seed", std::to_string(arguments.training.seed)});
  report.facts.insert(report.facts.begin() + 2, recipe_facts.begin(), recipe_facts.end());
  report.commands = {invocation.text()};
  report.next = quoted(invocation.program) + " classify " + quoted(run.pruned_model.string()) +
                " " + quoted(sample.string());
  return report;
}

void run(const Arguments& given, const CLI::App& parser, const Invocation& invocation) {
  Arguments arguments = given;
  if (arguments.pruning.target.empty() && !arguments.pruning.ratio &&
      arguments.pruning.ratios.empty())
    arguments.pruning.target = "macs=0.5";
  check(arguments.pruning, true);
  apply(arguments.common);
  if (!arguments.file.empty()) arguments.network.name = arguments.file;
  check(arguments.finetuning.teacher);

  Run run;
  run.start = starting_point(arguments.network, arguments.data, arguments.training.seed);
  if (arguments.training.hold_out > 0) set_aside(run.start.data, arguments.training.hold_out);
  run.train_options = train_options(arguments.training, run.start.data.train.height);
  run.finetune_options = finetuning_options(arguments.finetuning, run.train_options);
  run.folder =
      arguments.out.empty() ? "runs/" + run.start.graph.info.network + "-pruned" : arguments.out;
  run.model = run.folder / "model.bonsai";
  run.pruned_model = run.folder / "pruned.bonsai";
  make_folder(run.folder);
  write_text(run.folder / "config.json", config_json(parser, invocation));

  run_resumable(invocation, [&] {
    RecordedTimes times(run.folder / "times.json", arguments.resume);
    train_stage(arguments, run);
    prune_stage(arguments, times, run);
    finetune_stage(arguments, run);
  });
  stage("measuring");
  const auto models =
      compared(run.start.graph, run.tested_before.accuracy, run.after, run.tested_after.accuracy);
  const fs::path sample = write_sample(run.folder, run.start.data, run.tested_after);
  const report::ReportData report = findings(arguments, invocation, run, models, sample);
  const std::string page = write_report(run.folder, report).string();

  if (arguments.common.json) {
    nlohmann::ordered_json result = {{"before", figures(models[0])},
                                     {"after", figures(models[1])},
                                     {"model", run.pruned_model.string()},
                                     {"report", page}};
    if (!run.pruned.decomposed.empty())
      result["decomposed"] = decomposition_json(run.pruned.decomposed);
    if (!run.pruned.sampled.empty()) result["sampled"] = sampling_json(run.pruned.sampled);
    if (!run.pruned.layers.empty()) result["layers"] = layer_error_json(run.pruned.layers);
    print_json(result);
    return;
  }
  if (!run.pruned.decomposed.empty()) print("\n" + decomposition_text(run.pruned.decomposed));
  if (!run.pruned.sampled.empty()) print("\n" + sampling_text(run.pruned.sampled));
  if (!run.pruned.layers.empty()) print("\n" + layer_error_text(run.pruned.layers));
  print("\n" + comparison_text(models));
  const double speedup = report::speedup_one_thread(models);
  if (speedup > 0 && speedup < 1.1)
    say("note: hardly quicker; other widths may suit this machine better: try --round-to 16");
  print("\nreport: " + page + "\nnext:   " + bold(report.next) + "\n");
}

Job define(CLI::App& parser, const Invocation& invocation) {
  auto arguments = std::make_shared<Arguments>();
  parser.add_option("model", arguments->file, "a trained model file; without it one is trained");
  add_start(parser, arguments->network);
  add_data(parser, arguments->data);
  add_training(parser, arguments->training);
  add_pruning(parser, arguments->pruning, "macs=0.5");
  add_finetuning(parser, arguments->finetuning);
  add_common(parser, arguments->common);
  parser.add_option("--out", arguments->out, "the run's folder; empty: runs/<network>-pruned");
  parser.add_flag("--resume", arguments->resume, "go on where the run in this folder stopped");
  return [arguments, &parser, &invocation] { run(*arguments, parser, invocation); };
}

}  // namespace

const Command compress_command = {
    "compress", "train (or load), prune, fine-tune, measure and report",
    "  bonsai compress\n"
    "  bonsai compress model.bonsai --data cifar10 --target params=0.3 --finetune 10\n"
    "  bonsai compress model.bonsai --data cifar10 --finetune 10 --teacher self\n",
    define};

}  // namespace bonsai::app
