// bonsai slim: trains a network with a penalty that drives its channels apart, shows how far a cut
// may go, cuts and fine-tunes (Liu et al. 2017, Network Slimming; Fang et al. 2023, DepGraph; Huang
// and Wang 2018, Sparse Structure Selection, of channels or residual blocks).
#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <optional>

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
#include "apps/steps.h"
#include "apps/training_run.h"
#include "apps/usage.h"
#include "compress/block_scales.h"
#include "compress/choose.h"
#include "compress/cliff.h"
#include "compress/explicit_scales.h"
#include "compress/group_sparsity.h"
#include "compress/prune.h"
#include "compress/scale_sparsity.h"
#include "compress/structure_selection.h"
#include "engine/file.h"

namespace bonsai::app {
namespace {

using Json = nlohmann::ordered_json;

const std::vector<std::string> penalties = {"l1", "proximal", "group", "apg", "blocks"};
constexpr float first_scale = 0.5F;  // of a fresh network, as in the paper
constexpr int calibration_count = 1024;

struct Arguments {
  RunArguments run;
  std::string penalty = "l1";
  double strength = 1e-3, floor = 0.1;
  std::optional<double> part;  // of all channels, to remove
  std::string target;          // "macs=0.5"
  int round_to = 1;
  FinetuningArguments finetuning;

  bool of_blocks() const { return penalty == "blocks"; }
  std::string what() const { return of_blocks() ? "residual blocks" : "channels"; }
};

Budget budget_of(const Arguments& arguments) {
  Budget budget{.round_to = arguments.round_to, .spread = Spread::global, .floor = arguments.floor};
  if (arguments.target.empty()) {
    budget.keep = 1 - arguments.part.value_or(0.5);
  } else {
    const auto [what, ratio] = parse_ratio("--target", arguments.target);
    (what == "macs" ? budget.macs : budget.params) = ratio;
  }
  return budget;
}

void check(const Arguments& arguments) {
  require_one_of("--penalty", arguments.penalty, penalties);
  if (!arguments.target.empty())
    require_one_of("--target", parse_ratio("--target", arguments.target).first, {"macs", "params"});
  require_usage(!arguments.part || (*arguments.part >= 0 && *arguments.part < 1), "--part is ",
                arguments.part.value_or(0), ", should be at least 0 and below 1");
  require_usage(!arguments.of_blocks() || arguments.target.empty(),
                "--target: blocks go when their factor is zero, or as many as --part says");
  // An average of weights is not zero where they are.
  const TrainingArguments& training = arguments.run.training;
  const bool has_zeros = arguments.penalty != "l1" && arguments.penalty != "group";
  require_usage(!has_zeros || (training.ema == 0 && training.lookahead == 0), "--penalty ",
                arguments.penalty, " makes exact zeros, which --ema and --lookahead average away");
  check(arguments.finetuning.teacher);
}

std::string cut_text(const Arguments& arguments) {
  if (arguments.of_blocks() && !arguments.part) return "the residual blocks whose factor is zero";
  if (arguments.target.empty())
    return join(report::percent(arguments.part.value_or(0.5), 0), " of all ", arguments.what(),
                ", the lowest");
  return "the lowest channels until " + arguments.target;
}

// A run and what its stages found.
struct Slimming {
  Slimming(const Arguments& a, const CLI::App& parser, const Invocation& invocation)
      : arguments(a), run(a.run, parser, invocation) {
    if (a.of_blocks())
      run.start.graph = with_block_scales(run.start.graph);
    else if (a.penalty != "group")
      run.start.graph = with_scales(run.start.graph);
    coupling = couple(run.start.graph);
    Dataset& data = run.start.data;
    validation = a.run.training.hold_out > 0
                     ? std::move(run.held_out)
                     : set_aside(data, std::clamp(data.train.count() / 5, 1, 1000));
    finetune_options = finetuning_options(a.finetuning, run.options);
  }

  // Per unit; of blocks, per block.
  Scores scores() {
    if (arguments.of_blocks()) {
      Scores factors;
      for (const BlockScale& scale : block_scales(run.start.graph))
        factors.push_back(std::abs(double{scale.factor->value[0]}));
      return factors;
    }
    const char* criterion = arguments.penalty == "group" ? "group_norm" : "bn_scale";
    return find_criterion(criterion).score(Evidence(run.start.graph, coupling));
  }
  Evaluation tested(Graph& graph) const { return evaluate_model(graph, run.start.data); }

  const Arguments& arguments;
  TrainingRun run;
  Coupling coupling;
  Images validation;  // training pictures to judge by
  TrainOptions finetune_options;
  std::vector<EpochRecord> training, finetuning;
  Evaluation tested_before, tested_cut, tested_after;
  std::vector<CliffPoint> cliff;
  Graph after;
  std::string teacher;
};

std::unique_ptr<Penalty> penalty_of(const Arguments& arguments, Graph& graph) {
  const auto strength = static_cast<float>(arguments.strength);
  if (arguments.penalty == "group") return std::make_unique<GroupSparsity>(graph, strength);
  if (arguments.of_blocks()) {
    std::vector<SharedFactors> factors;
    for (const BlockScale& scale : block_scales(graph))
      factors.push_back({scale.factor, static_cast<int>(scale.factor->value.size())});
    return std::make_unique<StructureSelection>(std::move(factors), strength);
  }
  if (!is_model_file(arguments.run.network.name))
    for (const Parameter* p : batch_norm_scales(graph)) p->value.fill(first_scale);
  if (arguments.penalty == "apg") {
    std::vector<SharedFactors> factors;
    for (Parameter* p : channel_scales(graph)) factors.push_back({p});
    return std::make_unique<StructureSelection>(std::move(factors), strength);
  }
  return std::make_unique<ScaleSparsity>(
      channel_scales(graph), strength,
      arguments.penalty == "l1" ? ScaleMethod::subgradient : ScaleMethod::proximal);
}

void train_stage(Slimming& s, ScoreHistory& history) {
  say("== training with a penalty");
  Graph& graph = s.run.start.graph;
  const auto penalty = penalty_of(s.arguments, graph);
  s.scores();  // what has no score is an error now, not after the training
  s.run.options.penalty = penalty.get();
  s.run.options.progress = [&](const Progress& progress) {
    if (progress.stage == Progress::Stage::epoch_done) history.add(progress.epoch, s.scores());
  };
  TrainResult result =
      train(graph, s.run.start.data, s.run.options, s.run.folder / "train", s.arguments.run.resume);
  s.training = std::move(result.history);
  s.tested_before = std::move(result.test);
  save((s.run.folder / "model.bonsai").string(), fold_scales(graph));
}

// By name, the lowest factor first.
std::vector<std::string> lowest_blocks(Slimming& s, size_t count) {
  std::vector<std::string> names;
  for (const BlockScale& scale : block_scales(s.run.start.graph)) names.push_back(scale.block);
  const Scores scores = s.scores();
  std::vector<size_t> order(names.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return scores[a] < scores[b]; });
  std::vector<std::string> lowest;
  for (size_t i = 0; i < count; ++i) lowest.push_back(names[order[i]]);
  return lowest;
}

void cliff_stage(Slimming& s) {
  say("== what a cut would leave");
  const Dataset& data = s.run.start.data;
  Steps steps("cutting");
  const Judge judge{s.validation, data.mean, data.std};
  const Graph& graph = s.run.start.graph;
  const auto calibration = calibration_pictures(graph, data, calibration_count, s.run.options.seed);
  const CliffOptions options{.floor = s.arguments.floor,
                             .progress = [&steps](int done, int total) { steps.show(done, total); },
                             .stop = &stop_requested()};
  const Scores scores = s.scores();
  s.cliff =
      s.arguments.of_blocks()
          ? measure_block_cliff(graph, lowest_blocks(s, scores.size()), judge, calibration, options)
          : measure_cliff(graph, s.coupling, scores, judge, calibration, options);
  steps.clear();
  end_if_stopped();
}

Graph cut(Slimming& s) {
  const Graph& graph = s.run.start.graph;
  const Scores scores = s.scores();
  if (!s.arguments.of_blocks())
    return fold_scales(
        prune(graph, s.coupling, choose(graph, s.coupling, scores, budget_of(s.arguments))));
  const auto zeros = static_cast<size_t>(std::count(scores.begin(), scores.end(), 0.0)),
             wanted =
                 s.arguments.part
                     ? static_cast<size_t>(*s.arguments.part * static_cast<double>(scores.size()))
                     : zeros;
  say(join(zeros, " of ", scores.size(), " residual blocks have a factor of zero"));
  return without_blocks(graph, lowest_blocks(s, wanted));
}

void cut_stage(Slimming& s) {
  say("== cutting " + cut_text(s.arguments));
  Graph& graph = s.run.start.graph;
  s.after = cut(s);
  graph = fold_scales(std::move(graph));  // its layers are named as those of `after` again
  s.tested_cut = s.tested_after = s.tested(s.after);
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

report::ReportData findings(const Slimming& s, const ScoreHistory& history,
                            std::vector<report::Measurement> models) {
  const Dataset& data = s.run.start.data;
  report::ReportData report;
  report.title = s.run.start.graph.info.network + ", slimmed";
  report.summary =
      join("Trained with the penalty ", s.arguments.penalty, " of ", s.arguments.strength, " on ",
           data_description(data), "; cut ", cut_text(s.arguments), "; fine-tuned for ",
           s.arguments.finetuning.epochs, " epochs.");
  report.models = std::move(models);
  report.stages = {stage_of("training", s.training)};
  if (!s.finetuning.empty()) report.stages.push_back(stage_of("fine-tuning", s.finetuning));
  report.stage_mark = "cut";
  report.layers = channel_widths(s.run.start.graph, s.after);
  report.heat_maps = {history.map()};
  report.charts = {cliff_chart(s.cliff, s.arguments.what())};
  report.pictures = sample_pictures(s.after, data, s.tested_after);
  report.classes = data.classes;
  report.confusion = s.tested_after.confusion;
  report.confusion_of = "slim network";
  report.facts = common_facts(s.after, data);
  std::vector<report::Fact> own = {
      {"training", recipe(s.run.options)},
      {"penalty", join(s.arguments.penalty, ", ", s.arguments.strength)},
      {"cut", cut_text(s.arguments)},
      {"seed", std::to_string(s.run.options.seed)}};
  if (!s.teacher.empty()) own.push_back({"teacher", s.teacher});
  report.facts.insert(report.facts.begin() + 2, own.begin(), own.end());
  report.commands = {s.run.invocation.text()};
  report.next = quoted(s.run.invocation.program) + " slim --net " +
                quoted((s.run.folder / "slim.bonsai").string()) + " --data " +
                quoted(s.arguments.run.data.where) + "   (cuts again)";
  return report;
}

void run(const Arguments& arguments, const CLI::App& parser, const Invocation& invocation) {
  check(arguments);
  Slimming s(arguments, parser, invocation);
  ScoreHistory history(s.run.folder, arguments.run.resume);
  run_resumable(invocation, [&] {
    train_stage(s, history);
    cliff_stage(s);
    cut_stage(s);
  });
  const auto models =
      compared(s.run.start.graph, s.tested_before.accuracy, s.after, s.tested_after.accuracy);
  const report::ReportData report = findings(s, history, models);
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
  print("\n" + cliff_text(s.cliff, s.arguments.what()) + "\n" + comparison_text(models));
  print("\nmodel:  " + model + "\nreport: " + page + "\nnext:   " + report.next + "\n");
}

Job define(CLI::App& parser, const Invocation& invocation) {
  auto arguments = std::make_shared<Arguments>();
  add_run(parser, arguments->run);
  parser.add_option("--penalty", arguments->penalty,
                    "l1: on batch norm's factors, as published; proximal: the same with exact "
                    "zeros; group: on all that belongs to a channel, for residual networks; apg: "
                    "as proximal, by accelerated steps; blocks: on a factor per residual block");
  parser
      .add_option("--lambda", arguments->strength,
                  "strength of the penalty; 1e-4 drives VGG apart in 160 epochs, short trainings "
                  "need more")
      ->check(CLI::NonNegativeNumber);
  auto* part =
      parser.add_option("--part", arguments->part,
                        "part of all channels to remove, by default 0.5; of blocks: those at zero");
  parser
      .add_option("--target", arguments->target,
                  "what is left of the whole, instead of --part: macs=0.5 or params=0.3")
      ->excludes(part);
  parser.add_option("--floor", arguments->floor, "part of its channels that every layer keeps")
      ->check(CLI::Range(0.0, 1.0));
  parser
      .add_option("--round-to", arguments->round_to,
                  "layers keep a multiple of so many channels; 1: those above the threshold")
      ->check(CLI::Range(1, 1024));
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
