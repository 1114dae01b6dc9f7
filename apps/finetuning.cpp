#include "apps/finetuning.h"

#include <CLI/CLI.hpp>

#include "apps/console.h"
#include "apps/models.h"
#include "apps/report/text.h"

namespace bonsai::app {

void add_teacher(CLI::App& parser, TeacherArguments& teacher) {
  parser.add_option("--teacher", teacher.file,
                    "after pruning, learn from the answers of a model file too; self: of the "
                    "network before pruning");
  add_teaching(parser, teacher.teaching);
}

void check(const TeacherArguments& teacher) {
  if (!teacher.file.empty() && teacher.file != "self") open_model(teacher.file);
}

void add_finetuning(CLI::App& parser, FinetuningArguments& finetuning) {
  parser.add_option("--finetune", finetuning.epochs, "epochs of fine-tuning after pruning")
      ->check(CLI::Range(0, 100000));
  parser
      .add_option("--finetune-lr", finetuning.lr, "its highest learning rate; 0: a fifth of --lr")
      ->check(CLI::NonNegativeNumber);
  add_teacher(parser, finetuning.teacher);
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

Lessons::Lessons(const TeacherArguments& arguments, const Graph& before)
    : arguments_(arguments),
      teacher_(arguments.file == "self" ? before : open_model(arguments.file)) {}

TrainResult Lessons::train(Graph& student, const Dataset& data, TrainOptions options,
                           const Training& training) {
  const auto objective =
      distillation(student, teacher_, data, options, weights(student, options.seed));
  options.objective = objective.get();
  TrainResult result = training(student, data, options);
  cost_.add(*objective, result);
  return result;
}

RunIdentity Lessons::identity(const Graph& student, const Dataset& data) const {
  Graph copy = student;
  return Distillation(copy, teacher_, data, weights(student, 0)).identity();
}

std::string Lessons::description(const Graph& student) const {
  return arguments_.file + ": " + app::description(weights(student, 0));
}

DistillationOptions Lessons::weights(const Graph& student, uint64_t seed) const {
  return distillation_options(arguments_.teaching, student, teacher_, seed);
}

FinetuningResult finetune(Graph& after, const Graph& before, const Dataset& data,
                          const TeacherArguments& teacher, const TrainOptions& options,
                          const std::filesystem::path& folder, bool resume) {
  const auto training = [&](Graph& graph, const Dataset& from, const TrainOptions& with) {
    return train(graph, from, with, folder, resume);
  };
  if (teacher.file.empty()) return {training(after, data, options), ""};
  Lessons lessons(teacher, before);
  FinetuningResult result{lessons.train(after, data, options, training),
                          lessons.description(after)};
  say(lessons.cost().text());
  return result;
}

}  // namespace bonsai::app
