// Training after pruning: its options, and how a command runs it, with or without a teacher.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "apps/teaching.h"
#include "apps/training.h"

namespace bonsai::app {

struct TeacherArguments {
  std::string file;  // a model file, "self" for the network before pruning, or none
  TeachingArguments teaching;
};
void add_teacher(CLI::App& parser, TeacherArguments& teacher);
// Throws Error when the teacher's file cannot be read: before the training, not after it.
void check(const TeacherArguments& teacher);

struct FinetuningArguments {
  int epochs = 2;
  double lr = 0;  // 0: a fifth of the training's
  TeacherArguments teacher;
};
void add_finetuning(CLI::App& parser, FinetuningArguments& finetuning);

// The training's, with the epochs and the rate of fine-tuning.
TrainOptions finetuning_options(const FinetuningArguments& finetuning,
                                const TrainOptions& training);

// A teacher for all trainings of networks that were pruned from the same one.
class Lessons {
 public:
  // `before`: the network before pruning. The arguments must outlive this and name a teacher.
  Lessons(const TeacherArguments& arguments, const Graph& before);

  using Training = std::function<TrainResult(Graph&, const Dataset&, const TrainOptions&)>;
  TrainResult train(Graph& student, const Dataset& data, TrainOptions options,
                    const Training& training);

  // What tells trainings with this teacher from others.
  RunIdentity identity(const Graph& student, const Dataset& data) const;
  // "self: labels 0.1, the teacher's answers 0.9 at temperature 4"
  std::string description(const Graph& student) const;
  const TeachingCost& cost() const { return cost_; }

 private:
  DistillationOptions weights(const Graph& student, uint64_t seed) const;

  const TeacherArguments& arguments_;
  Graph teacher_;
  TeachingCost cost_;
};

struct FinetuningResult {
  TrainResult training;
  std::string teacher;  // in words, for the report; empty: there was none
};
// `before`: the network that `after` was pruned from.
FinetuningResult finetune(Graph& after, const Graph& before, const Dataset& data,
                          const TeacherArguments& teacher, const TrainOptions& options,
                          const std::filesystem::path& folder, bool resume);

}  // namespace bonsai::app
