// bonsai distill: trains a network, the student, on pictures and on what a trained one, the
// teacher, says of them (compress/distillation.h).
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/commands/commands.h"
#include "apps/console.h"
#include "apps/models.h"
#include "apps/report/text.h"
#include "apps/teaching.h"
#include "apps/training_run.h"
#include "apps/usage.h"

namespace bonsai::app {
namespace {

struct Arguments {
  std::string teacher;
  RunArguments run;
  TeachingArguments teaching;
  int hint_epochs = 0;
};

// The first stage of FitNets: the layers up to the hints learn from these alone.
void learn_from_hints(TrainingRun& run, const Graph& teacher, DistillationOptions options,
                      int epochs) {
  say(join("== hints alone, ", epochs, epochs == 1 ? " epoch" : " epochs"));
  options.labels = options.answers = options.attention_weight = 0;
  TrainOptions training = run.options;
  training.epochs = epochs;
  const auto hints = distillation(run.start.graph, teacher, run.start.data, training, options);
  training.objective = hints.get();
  train(run.start.graph, run.start.data, training, run.folder / "hints", run.arguments.resume);
  say("== distillation");
}

void run(const Arguments& arguments, const CLI::App& parser, const Invocation& invocation) {
  require_usage(arguments.hint_epochs == 0 || !arguments.teaching.hints.empty(),
                "--hint-epochs: no layers are hinted at, give --hint");
  const Graph teacher = open_model(arguments.teacher);
  TrainingRun run(arguments.run, parser, invocation);
  DistillationOptions options = distillation_options(arguments.teaching, run.start.graph, teacher,
                                                     arguments.run.training.seed);
  std::unique_ptr<Distillation> lessons;
  TrainResult result;
  run_resumable(invocation, [&] {
    if (arguments.hint_epochs > 0) {
      learn_from_hints(run, teacher, options, arguments.hint_epochs);
      options.hints.clear();
    }
    lessons = distillation(run.start.graph, teacher, run.start.data, run.options, options);
    run.options.objective = lessons.get();
    result = train(run.start.graph, run.start.data, run.options, run.folder, arguments.run.resume);
  });
  TeachingCost cost;
  cost.add(*lessons, result);
  std::vector<report::Fact> facts = {{"teacher", arguments.teacher},
                                     {"weights of the losses", description(options)}};
  if (arguments.hint_epochs > 0)
    facts.push_back({"before", join(arguments.hint_epochs, " epochs of hints alone")});
  run.finish(result, facts,
             {{"teacher", arguments.teacher},
              {"teacher_share", cost.share()},
              {"teacher_ms", cost.teacher_ms()}},
             cost.text() + "\n");
}

Job define(CLI::App& parser, const Invocation& invocation) {
  auto arguments = std::make_shared<Arguments>();
  parser
      .add_option("teacher", arguments->teacher, "a model file that was trained on such pictures")
      ->required();
  add_run(parser, arguments->run);
  add_teaching(parser, arguments->teaching);
  parser
      .add_option("--hint-epochs", arguments->hint_epochs,
                  "learn from the hints alone first, then without them (FitNets' two stages)")
      ->check(CLI::Range(0, 100000));
  return [arguments, &parser, &invocation] { run(*arguments, parser, invocation); };
}

}  // namespace

const Command distill_command = {
    "distill", "train a network on what a trained one says",
    "  bonsai distill runs/vgg16/model.bonsai --net vgg_small --width 0.5 --data cifar10\n"
    "  bonsai distill teacher.bonsai --net resnet20 --data cifar10 --attention stages\n"
    "  bonsai distill teacher.bonsai --net student.bonsai --data cifar10 --alpha 0.5 --hint "
    "features.6.conv=features.20.conv --hint-epochs 5\n",
    define};

}  // namespace bonsai::app
