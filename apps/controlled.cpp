#include "apps/controlled.h"

#include <filesystem>
#include <iostream>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/console.h"
#include "apps/control_report.h"
#include "apps/files.h"
#include "apps/findings.h"
#include "apps/measure.h"
#include "apps/models.h"
#include "apps/report/text.h"
#include "apps/signals.h"
#include "engine/file.h"
#include "layers/fresh_weights.h"
#include "layers/progress.h"

namespace bonsai::app {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// The same widths, trained from nothing.
struct Scratch {
  Graph graph;
  TrainOptions options;
  double validation = 0, tested = 0;
};

struct Run {
  Graph before, after;
  Dataset data;   // learned from; its `test` pictures are those that are held out
  Images tested;  // the test pictures, which nothing sees before the end
  ControllerOptions control;
  NetworkCost whole;
  std::vector<Ceiling> ceilings;
  std::vector<Record> journal;
  std::vector<EpochRecord> finetuning;
  bool finetuned = false;  // and the result is better
  double validation = 0;   // accuracy of `after` on the pictures held out
  std::optional<Scratch> scratch;
  std::optional<Lessons> lessons;
  StatusLine solving;  // while least squares are solved
  fs::path folder;
};

// A network that learned from the pictures held out knows them better than it should: taken from
// it, they are forgotten, and that looks like a drop.
void warn_if_known(Run& run, double held_out) {
  constexpr double usual_gap = 0.005;
  const Images learned = subset(run.data.train, run.data.test.count(), run.control.recovery.seed);
  const double accuracy = evaluate(run.before, learned, run.data.mean, run.data.std).accuracy;
  if (held_out < accuracy - usual_gap) return;
  say(join("note: ", report::percent(held_out, 2), " of the pictures held out are right, of those ",
           "learned from ", report::percent(accuracy, 2),
           "; if the network learned from both, drops look larger than they are: train it with ",
           "--hold-out"));
}

// Says what was decided, and keeps all of it in a file.
void tell(Run& run, const std::vector<Record>& journal) {
  run.solving.clear();
  const auto all = decisions(journal, run.control.target, run.control.max_drop);
  std::string text;
  for (const Decision& decision : all) text += decision.label + ": " + decision.text + "\n";
  write_text(run.folder / "decisions.log", text);
  if (!std::holds_alternative<PlanRecord>(journal.back().what))
    say(all.back().label + ": " + all.back().text);
  if (const auto* start = std::get_if<StartRecord>(&journal.back().what))
    warn_if_known(run, start->validation.accuracy);
}

void look_ahead(Run& run, const NetworkCost& whole, const std::vector<Ceiling>& ceilings) {
  run.whole = whole;
  run.ceilings = ceilings;
  const report::Table reachable = ceiling_table(whole, ceilings);
  say("what can be reached at most, by mode:\n" + table(reachable.head, reachable.rows));
}

// Steps learn from a teacher besides the labels.
void add_lessons(const TeacherArguments& teacher, Run& run) {
  if (teacher.file.empty()) return;
  run.lessons.emplace(teacher, run.before);
  run.control.lessons = run.lessons->identity(run.before, run.data);
  run.control.train = [&run](Graph& graph, const Dataset& data, const TrainOptions& options) {
    return run.lessons->train(
        graph, data, options,
        [](Graph& g, const Dataset& d, const TrainOptions& o) { return bonsai::fit(g, d, o); });
  };
}

void prepare(const ControlledArguments& arguments, Run& run) {
  run.before = open_model(arguments.file);
  run.data = load_for(run.before, arguments.data);
  take_normalisation(run.before, run.data);
  run.tested = std::move(run.data.test);
  run.data.test = judging_pictures(run.data, arguments.training.hold_out);
  const std::string& network = run.before.info.network;
  run.folder = !arguments.out.empty() ? arguments.out
               : network.empty()      ? "runs/model-pruned"
                                      : "runs/" + network + "-pruned";
  make_folder(run.folder);
  run.control = controller_options(arguments, run.data.train.height);
  run.control.folder = run.folder;
  run.control.outlook = [&run](const NetworkCost& whole, const std::vector<Ceiling>& ceilings) {
    look_ahead(run, whole, ceilings);
  };
  run.control.decided = [&run](const std::vector<Record>& journal) { tell(run, journal); };
  run.control.progress = progress_bar(std::cerr, errors_on_terminal());
  if (run.control.solve)
    run.control.solve->reconstruction.progress = progress_of_layers(run.solving);
  run.control.stop = &stop_requested();
  add_lessons(arguments.teacher, run);
}

void prune_stage(Run& run) {
  ControlledPruning result = prune_to_target(run.before, run.data, run.control);
  if (result.stopped) end_if_stopped();
  if (run.lessons) say(run.lessons->cost().text());
  run.after = std::move(result.graph);
  run.journal = std::move(result.journal);
  run.validation = std::get<StartRecord>(run.journal.front().what).validation.accuracy;
  for (const Record& record : run.journal)
    if (const auto* step = std::get_if<ResultRecord>(&record.what); step != nullptr && step->kept)
      run.validation = step->validation.accuracy;
}

// Training of the last point, of which the better of both is kept.
void finetune_stage(const ControlledArguments& arguments, Run& run) {
  if (arguments.control.finetune == 0) return;
  say("== fine-tuning");
  TrainOptions options = run.control.recovery;
  options.epochs = arguments.control.finetune;
  Graph tuned = run.after;
  const TrainResult result = finetune(tuned, run.before, run.data, arguments.teacher, options,
                                      run.folder / "finetune", arguments.control.resume)
                                 .training;
  run.finetuning = result.history;
  run.finetuned = result.test.accuracy >= run.validation;
  if (!run.finetuned) return;
  run.after = std::move(tuned);
  run.validation = result.test.accuracy;
}

int trained_epochs(const Run& run) {
  int epochs = static_cast<int>(run.finetuning.size());
  for (const Record& record : run.journal)
    if (const auto* result = std::get_if<ResultRecord>(&record.what)) epochs += result->epochs;
  return epochs;
}

void scratch_stage(const ControlledArguments& arguments, Run& run) {
  const int asked = arguments.control.scratch;
  if (asked == 0) return;
  const int epochs = asked > 0 ? asked : trained_epochs(run);
  if (epochs == 0) {
    say("no scratch control: no step was trained, so there is no number of epochs to compare");
    return;
  }
  say("== the same widths from scratch");
  TrainingArguments training = arguments.training;
  training.epochs = epochs;
  training.lr = 0;  // the usual one: fresh weights need more than a repair
  training.schedule = "one-cycle";
  run.scratch =
      Scratch{.graph = run.after, .options = train_options(training, run.data.train.height)};
  draw_fresh_weights(run.scratch->graph, training.seed);
  run.scratch->validation =
      finetune(run.scratch->graph, run.before, run.data, arguments.teacher, run.scratch->options,
               run.folder / "scratch", arguments.control.resume)
          .training.test.accuracy;
}

report::Table scratch_table(const Run& run, double tested_after) {
  report::Table table;
  if (!run.scratch) return table;
  table.title = "The same widths from scratch";
  table.note =
      "If fresh weights do as well, pruning found an architecture and its weights are worth "
      "little (Liu et al. 2019). The epochs in which the unpruned network was trained are not "
      "among those of the steps.";
  table.head = {"", "epochs", "pictures held out", "test pictures"};
  table.rows = {
      {"pruned and trained in steps", std::to_string(trained_epochs(run)),
       report::percent(run.validation, 2), report::percent(tested_after, 2)},
      {"fresh weights", std::to_string(run.scratch->options.epochs),
       report::percent(run.scratch->validation, 2), report::percent(run.scratch->tested, 2)}};
  return table;
}

std::string reason(const Run& run) {
  return explain(std::get<EndRecord>(run.journal.back().what).reason);
}

report::ReportData findings(const ControlledArguments& arguments, const Invocation& invocation,
                            const Run& run, const std::vector<report::Measurement>& models,
                            const Evaluation& tested) {
  report::ReportData report;
  report.title = run.before.info.network + ", pruned in steps";
  report.summary =
      join("Pruned ", description(arguments.pruning), ", by at most ", run.control.max_drop,
           " points of accuracy; ended because ", reason(run), ".");
  report.models = models;
  if (!run.finetuning.empty()) report.stages = {stage_of("fine-tuning", run.finetuning)};
  report.layers = channel_widths(run.before, run.after);
  for (const Decision& d : decisions(run.journal, run.control.target, run.control.max_drop))
    report.findings.push_back({d.label, d.text});
  report.charts = {trajectory(run.journal, run.control.target, run.control.max_drop)};
  report.tables = {ceiling_table(run.whole, run.ceilings)};
  if (run.scratch) report.tables.push_back(scratch_table(run, tested.accuracy));
  report.pictures = sample_pictures(run.after, run.data, tested);
  report.classes = run.data.classes;
  report.confusion = tested.confusion;
  report.confusion_of = "pruned network";
  report.facts = common_facts(run.after, run.data);
  report.facts.insert(
      report.facts.begin() + 2,
      {{"after each step",
        run.control.recovery.epochs > 0 ? recipe(run.control.recovery) : "nothing is trained"},
       {"seed", std::to_string(run.control.recovery.seed)}});
  if (run.lessons) report.facts.push_back({"teacher", run.lessons->description(run.before)});
  report.commands = {invocation.text()};
  report.next =
      quoted(invocation.program) + " bench " + quoted((run.folder / "pruned.bonsai").string());
  return report;
}

void finish(const ControlledArguments& arguments, const Invocation& invocation, Run& run) {
  const std::string model = (run.folder / "pruned.bonsai").string();
  save(model, run.after);
  const int held = run.data.test.count();
  run.data.test = std::move(run.tested);  // from here on the data have their test pictures
  const double accuracy_before = evaluate_model(run.before, run.data).accuracy;
  const Evaluation tested = evaluate_model(run.after, run.data);
  if (run.scratch) {
    run.scratch->tested = evaluate_model(run.scratch->graph, run.data).accuracy;
    save((run.folder / "scratch.bonsai").string(), run.scratch->graph);
  }
  const auto models = compared(run.before, accuracy_before, run.after, tested.accuracy);
  const std::string page =
      write_report(run.folder, findings(arguments, invocation, run, models, tested)).string();
  if (arguments.common.json) {
    Json result = {{"before", figures(models[0])},
                   {"after", figures(models[1])},
                   {"reason", reason(run)},
                   {"validation", {{"images", held}, {"accuracy", run.validation}}},
                   {"steps", steps_json(run.journal)},
                   {"model", model},
                   {"journal", (run.folder / "journal.jsonl").string()},
                   {"report", page}};
    if (run.scratch)
      result["scratch"] = {{"epochs", run.scratch->options.epochs},
                           {"validation_accuracy", run.scratch->validation},
                           {"accuracy", run.scratch->tested}};
    print_json(result);
    return;
  }
  print("\n" + comparison_text(models));
  if (const report::Table scratch = scratch_table(run, tested.accuracy); !scratch.rows.empty())
    print("\n" + table(scratch.head, scratch.rows));
  print("\nended:  " + reason(run) + "\nmodel:  " + model + "\nreport: " + page + "\n");
}

}  // namespace

void run_controlled(const ControlledArguments& arguments, const CLI::App& parser,
                    const Invocation& invocation) {
  check(arguments);
  check(arguments.teacher);
  apply(arguments.common);
  Run run;
  prepare(arguments, run);
  run_resumable(invocation, [&] {
    prune_stage(run);
    write_text(run.folder / "config.json", config_json(parser, invocation));
    finetune_stage(arguments, run);
    scratch_stage(arguments, run);
  });
  finish(arguments, invocation, run);
}

}  // namespace bonsai::app
