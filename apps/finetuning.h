// Training after pruning: its options, and how a command runs it, with or without a teacher.
#pragma once

#include <filesystem>
#include <string>

#include "apps/teaching.h"
#include "apps/training.h"

namespace bonsai::app {

struct FinetuningArguments {
  int epochs = 2;
  double lr = 0;        // 0: a fifth of the training's
  std::string teacher;  // a model file, "self" for the network before pruning, or none
  TeachingArguments teaching;
};
void add_finetuning(CLI::App& parser, FinetuningArguments& finetuning);
// Throws Error when the teacher's file cannot be read: before the training, not after it.
void check(const FinetuningArguments& finetuning);

// The training's, with the epochs and the rate of fine-tuning.
TrainOptions finetuning_options(const FinetuningArguments& finetuning,
                                const TrainOptions& training);

struct FinetuningResult {
  TrainResult training;
  std::string teacher;  // in words, for the report; empty: there was none
};
// `before`: the network that `after` was pruned from.
FinetuningResult finetune(Graph& after, const Graph& before, const Dataset& data,
                          const FinetuningArguments& finetuning, TrainOptions options,
                          const std::filesystem::path& folder, bool resume);

}  // namespace bonsai::app
