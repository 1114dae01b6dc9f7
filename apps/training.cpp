#include "apps/training.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <iostream>

#include <CLI/CLI.hpp>

#include "apps/console.h"
#include "apps/options.h"
#include "apps/signals.h"
#include "apps/usage.h"
#include "layers/checksum.h"
#include "layers/progress.h"

namespace bonsai::app {
namespace {

// In the order of the enumerations that they name.
const std::vector<std::string> schedules = {"constant", "step", "cosine", "one-cycle"};
const std::vector<std::string> optimisers = {"sgd", "adam", "adamw"};

size_t place(const std::vector<std::string>& names, const std::string& name) {
  return static_cast<size_t>(std::find(names.begin(), names.end(), name) - names.begin());
}

int terminal_columns() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

void add_training(CLI::App& parser, TrainingArguments& training, int least_epochs) {
  parser.add_option("--epochs", training.epochs, "how often to learn from all pictures")
      ->check(CLI::Range(least_epochs, 100000));
  parser.add_option("--batch", training.batch, "pictures per step")->check(CLI::Range(1, 1 << 20));
  parser.add_option("--lr", training.lr, "the highest learning rate; 0: 0.05 for sgd, else 0.001")
      ->check(CLI::NonNegativeNumber);
  parser.add_option("--schedule", training.schedule, "constant, step, cosine or one-cycle");
  parser.add_option("--optimizer", training.optimiser, "sgd, adam or adamw");
  parser.add_option("--weight-decay", training.weight_decay, "pull of weights towards zero")
      ->check(CLI::NonNegativeNumber);
  parser.add_option("--label-smoothing", training.label_smoothing, "share spread over all classes")
      ->check(CLI::Range(0.0, 0.999));
  parser.add_option("--ema", training.ema, "decay of the average of weights; 0: no average")
      ->check(CLI::Range(0.0, 0.999999));
  parser.add_option("--momentum", training.momentum, "of sgd")->check(CLI::Range(0.0, 0.999999));
  parser
      .add_option("--bias-rate", training.bias_rate,
                  "learning rate of biases, in multiples of the others' (sgd alone)")
      ->check(CLI::PositiveNumber);
  parser.add_option("--warm-up", training.warm_up, "share of the steps in which the rate rises")
      ->check(CLI::Range(0.0, 1.0));
  parser
      .add_option("--lr-first", training.first, "one-cycle: where the rate begins, of the highest")
      ->check(CLI::Range(0.0, 1.0));
  parser.add_option("--lr-last", training.last, "one-cycle: where the rate ends, of the highest")
      ->check(CLI::Range(0.0, 1.0));
  parser
      .add_option("--lookahead", training.lookahead,
                  "slow weights that follow every so many steps; 0: none")
      ->check(CLI::NonNegativeNumber);
  parser
      .add_option("--shift", training.shift,
                  "pixels that pictures move by at most; -1: an eighth of their height")
      ->check(CLI::Range(-1, 1 << 10));
  parser.add_flag("--no-flip", training.no_flip, "do not mirror pictures (digits, letters)");
  parser.add_flag("--alternate-flip", training.alternate_flip,
                  "mirror each picture every other epoch instead of at random");
  parser.add_flag("--flip-test", training.flip_test,
                  "test by the mean of the outputs for a picture and its mirror image");
  parser.add_flag("--no-augment", training.no_augment, "neither mirror nor shift pictures");
  parser
      .add_option("--hold-out", training.hold_out,
                  "do not learn from so many training pictures: sensitivity, profile and compare "
                  "judge by them")
      ->check(CLI::NonNegativeNumber);
  parser.add_option("--seed", training.seed, "of weights, order and augmentation");
}

TrainOptions train_options(const TrainingArguments& training, int height) {
  require_one_of("--schedule", training.schedule, schedules);
  require_one_of("--optimizer", training.optimiser, optimisers);
  TrainOptions options;
  options.epochs = training.epochs;
  options.batch = training.batch;
  options.optimiser.kind = static_cast<OptimiserKind>(place(optimisers, training.optimiser));
  options.optimiser.weight_decay = static_cast<float>(training.weight_decay);
  const bool sgd = options.optimiser.kind == OptimiserKind::sgd;
  require_usage(sgd || training.bias_rate == 1, "--bias-rate: only sgd has one, the optimizer is ",
                training.optimiser);
  options.lr = training.lr > 0 ? static_cast<float>(training.lr) : sgd ? 0.05F : 0.001F;
  options.schedule.kind = static_cast<ScheduleKind>(place(schedules, training.schedule));
  options.label_smoothing = static_cast<float>(training.label_smoothing);
  options.ema = static_cast<float>(training.ema);
  options.optimiser.momentum = static_cast<float>(training.momentum);
  options.optimiser.bias_rate = static_cast<float>(training.bias_rate);
  options.schedule.warmup = training.warm_up;
  options.schedule.first = training.first;
  options.schedule.last = training.last;
  options.lookahead = training.lookahead;
  options.flip_test = training.flip_test;
  options.augment.crop_padding = training.shift >= 0 ? training.shift : std::max(1, height / 8);
  options.augment.flip = training.no_flip          ? Flip::none
                         : training.alternate_flip ? Flip::alternate
                                                   : Flip::random;
  if (training.no_augment) options.augment = Augment::none();
  options.seed = training.seed;
  return options;
}

std::string recipe(const TrainOptions& options) {
  std::string more;
  if (options.lookahead > 0) more += join(", lookahead every ", options.lookahead, " steps");
  if (options.augment.flip == Flip::alternate) more += ", alternating flip";
  if (options.flip_test) more += ", tested with mirror images";
  return join(options.epochs, options.epochs == 1 ? " epoch" : " epochs", " of ",
              optimisers[static_cast<size_t>(options.optimiser.kind)], ", batch ", options.batch,
              ", learning rate ", options.lr, " (",
              schedules[static_cast<size_t>(options.schedule.kind)], "), weight decay ",
              options.optimiser.weight_decay, ", label smoothing ", options.label_smoothing, more);
}

TrainResult train(Layer& net, const Dataset& data, TrainOptions options,
                  const std::filesystem::path& folder, bool resume) {
  options.folder = folder;
  options.resume = resume;
  options.start = weight_checksum(net);
  options.stop = &stop_requested();
  options.progress = [also = options.progress,
                      bar = progress_bar(std::cerr, errors_on_terminal(), terminal_columns())](
                         const Progress& progress) {
    bar(progress);
    if (also) also(progress);
  };
  TrainResult result = fit(net, data, options);
  if (result.stopped) end_if_stopped();
  return result;
}

void run_resumable(const Invocation& invocation, const std::function<void()>& job) {
  try {
    watch_signals();
    job();
  } catch (const Stopped& stopped) {
    throw Stopped("stopped and saved; go on with: " + invocation.resumed(), stopped.signal);
  }
}

}  // namespace bonsai::app
