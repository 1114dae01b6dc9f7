#include "apps/finetuning.h"

#include <CLI/CLI.hpp>

#include "apps/console.h"
#include "apps/models.h"
#include "apps/report/text.h"

namespace bonsai::app {

void add_finetuning(CLI::App& parser, FinetuningArguments& finetuning) {
  parser.add_option("--finetune", finetuning.epochs, "epochs of fine-tuning after pruning")
      ->check(CLI::Range(0, 100000));
  parser
      .add_option("--finetune-lr", finetuning.lr, "its highest learning rate; 0: a fifth of --lr")
      ->check(CLI::NonNegativeNumber);
  parser.add_option("--teacher", finetuning.teacher,
                    "fine-tune on the answers of a model file too; self: of the network before "
                    "pruning");
  add_teaching(parser, finetuning.teaching);
}

void check(const FinetuningArguments& finetuning) {
  if (!finetuning.teacher.empty() && finetuning.teacher != "self") open_model(finetuning.teacher);
}

TrainOptions finetuning_options(const FinetuningArguments& finetuning,
                                const TrainOptions& training) {
  TrainOptions options = training;
  options.epochs = finetuning.epochs;
  // The weights are good already: a fifth of the rate repairs without forgetting.
  options.lr = finetuning.lr > 0 ? static_cast<float>(finetuning.lr) : training.lr / 5;
  options.seed = training.seed + 1;
  return options;
}

FinetuningResult finetune(Graph& after, const Graph& before, const Dataset& data,
                          const FinetuningArguments& finetuning, TrainOptions options,
                          const std::filesystem::path& folder, bool resume) {
  if (finetuning.teacher.empty()) return {train(after, data, options, folder, resume), ""};
  const Graph teacher = finetuning.teacher == "self" ? before : open_model(finetuning.teacher);
  const DistillationOptions weights =
      distillation_options(finetuning.teaching, after, teacher, options.seed);
  const auto lessons = distillation(after, teacher, data, options, weights);
  options.objective = lessons.get();
  FinetuningResult result{train(after, data, options, folder, resume),
                          finetuning.teacher + ": " + description(weights)};
  say(join("teacher: ", report::percent(teacher_share(*lessons, result.training), 0),
           " of the time of a step"));
  return result;
}

}  // namespace bonsai::app
