// The options of a training and how it is run by a command: with progress, resumable, ended in
// good order by a signal.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "apps/invocation.h"
#include "layers/trainer.h"

namespace CLI {
class App;
}

namespace bonsai::app {

struct TrainingArguments {
  int epochs, batch = 128;
  double lr = 0;  // 0: the optimiser's usual one
  std::string schedule = "one-cycle", optimiser = "sgd";
  double weight_decay = 5e-4, momentum = 0.9, bias_rate = 1;
  double warm_up = 0.25, first = 0, last = 0;  // of the schedule
  double label_smoothing = 0.1, ema = 0;
  int lookahead = 0, shift = -1;  // shift: pixels; -1: an eighth of the height
  bool no_flip = false, alternate_flip = false, no_augment = false, flip_test = false;
  int hold_out = 0;  // training pictures that it does not learn from
  uint64_t seed = 1;
};
void add_training(CLI::App& parser, TrainingArguments& training, int least_epochs = 1);
// Throws UsageError on an unknown schedule or optimiser. For pictures of this height.
TrainOptions train_options(const TrainingArguments& training, int height);
std::string recipe(const TrainOptions& options);  // in words, for the report

// fit with a progress bar on standard error, before what the options say to do. Throws Stopped when
// a signal stopped it.
TrainResult train(Layer& net, const Dataset& data, TrainOptions options,
                  const std::filesystem::path& folder, bool resume);

// Runs a job that can be resumed under watch_signals; Stopped leaves with the command that goes on.
void run_resumable(const Invocation& invocation, const std::function<void()>& job);

}  // namespace bonsai::app
