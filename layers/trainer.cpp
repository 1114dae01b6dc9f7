#include "layers/trainer.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "data/loader.h"
#include "engine/atomic_file.h"
#include "engine/stopwatch.h"
#include "engine/storage.h"
#include "layers/ema.h"
#include "layers/lookahead.h"
#include "layers/run_identity.h"

namespace bonsai {
namespace {

void check(const TrainOptions& o, const Dataset& data) {
  require(o.epochs >= 1, "train: ", o.epochs, " epochs, should be at least 1");
  require(o.batch >= 1, "train: batch of ", o.batch, ", should be at least 1");
  require(o.lr > 0 && std::isfinite(o.lr), "train: learning rate ", o.lr, " should be above 0");
  require(o.label_smoothing >= 0 && o.label_smoothing < 1, "train: label smoothing ",
          o.label_smoothing, " should be in [0, 1)");
  require(o.ema >= 0 && o.ema < 1, "train: decay of the weight average ", o.ema,
          " should be in [0, 1)");
  require(o.lookahead >= 0, "train: lookahead every ", o.lookahead,
          " steps, should be at least 0 (none)");
  require(data.train.count() > 0 && data.test.count() > 0, "train: the data have ",
          data.train.count(), " training and ", data.test.count(), " test pictures");
  check(o.schedule);
}

// Finds before the first step what would fail in it.
void require_fit(Layer& net, const Dataset& data) {
  Tape tape(Mode::shapes);
  Shape out;
  try {
    out = net.forward(tape.placeholder(data.input_shape())).shape();
  } catch (const Error& error) {
    throw Error(join("train: the network does not take pictures of ", data.train.height, "x",
                     data.train.width, ": ", error.what()));
  }
  const int classes = static_cast<int>(data.classes.size());
  require(out == Shape{1, classes}, "train: the network's result for one picture has shape ", out,
          ", should be [1, ", classes, "], one number per class of the data");
}

class Trainer {
 public:
  Trainer(Layer& net, const Dataset& data, const TrainOptions& options)
      : net_(net),
        data_(data),
        options_(options),
        optimiser_(make_optimiser(learnt_parameters(net, options.objective), options.optimiser)),
        loader_(data.train, data.mean, data.std,
                {.batch = std::min(options.batch, data.train.count()),
                 .shuffle = true,
                 .augment = options.augment,
                 .seed = options.seed,
                 .drop_last = options.drop_last}),
        identity_(run_identity(options, data)) {
    if (options.ema > 0) ema_.emplace(net.parameters(), options.ema);
    if (options.lookahead > 0) lookahead_.emplace(net.parameters(), options.lookahead);
    batches_ = loader_.batches();
    const int batch = std::min(options.batch, data.train.count());
    epoch_images_ = std::min(batches_ * batch, data.train.count());
    collect_tensors();
  }

  TrainResult run() {
    if (!options_.folder.empty()) prepare_folder();
    while (state_.epoch < options_.epochs && !result_.stopped) {
      const bool whole = train_epoch() && test_epoch();
      result_.stopped = !whole;
      if (whole) {
        finish_epoch();
      } else {
        result_.test = {};
        save(true);
      }
    }
    if (ema_) ema_->swap();
    // After a resume there may have been nothing left to do.
    if (!result_.stopped && result_.test.images == 0) {
      result_.test = *evaluate(net_, data_.test, data_.mean, data_.std,
                               EvaluateOptions{.flip = options_.flip_test});
    }
    result_.history = std::move(state_.history);
    result_.seconds = watch_.seconds();
    result_.step_seconds = run_seconds_;
    result_.images_per_second = images_per_second();
    return std::move(result_);
  }

 private:
  bool should_stop() const { return options_.stop != nullptr && *options_.stop; }

  void collect_tensors() {
    for (const Parameter* p : net_.parameters()) {
      state_.tensors.emplace_back("model." + p->name, p->value);
    }
    if (options_.objective != nullptr) {
      for (const Parameter* p : options_.objective->parameters()) {
        state_.tensors.emplace_back("objective." + p->name, p->value);
      }
    }
    if (options_.penalty != nullptr) {
      for (const auto& [name, tensor] : options_.penalty->state()) {
        state_.tensors.emplace_back("penalty." + name, tensor);
      }
    }
    for (const auto& [name, tensor] : optimiser_->state()) {
      state_.tensors.emplace_back("optimiser." + name, tensor);
    }
    if (ema_) {
      for (const auto& [name, tensor] : ema_->state()) {
        state_.tensors.emplace_back("average." + name, tensor);
      }
    }
    if (lookahead_) {
      for (const auto& [name, tensor] : lookahead_->state()) {
        state_.tensors.emplace_back("slow." + name, tensor);
      }
    }
  }

  void prepare_folder() {
    std::error_code error;
    std::filesystem::create_directories(options_.folder, error);
    require(!error, options_.folder.string(), ": cannot be made: ", error.message());
    if (!options_.resume || !std::filesystem::exists(checkpoint_path())) return;
    load_checkpoint(checkpoint_path(), state_, identity_);
    require(state_.epoch >= 0 && state_.epoch <= options_.epochs && state_.batch >= 0 &&
                state_.batch <= batches_ &&
                state_.step == int64_t{state_.epoch} * batches_ + state_.batch &&
                state_.history.size() == static_cast<size_t>(state_.epoch),
            checkpoint_path(), ": says epoch ", state_.epoch, " of ", options_.epochs, ", batch ",
            state_.batch, " of ", batches_, ", step ", state_.step, " and ", state_.history.size(),
            " epochs of history, which do not belong together");
    optimiser_->set_steps(state_.step);
    write_log();
  }

  // False: asked to stop.
  bool train_epoch() {
    Batch batch;
    loader_.start(state_.epoch, state_.batch);
    while (state_.batch < batches_) {
      if (should_stop()) return false;
      const Stopwatch watch;
      require(loader_.next(batch), "train: the data ended after ", state_.batch, " batches of ",
              batches_);
      const double waited = watch.seconds();
      result_.data_seconds += waited;
      if (options_.observer != nullptr) options_.observer->spent("waiting for data", waited);
      step(batch);
      const double seconds = watch.seconds();
      state_.seconds += seconds;
      run_seconds_ += seconds;
      ++result_.steps;
      run_images_ += batch.images.dim(0);
      report(Progress::Stage::training, static_cast<int>(state_.images), epoch_images_);
    }
    return true;
  }

  int64_t total_steps() const { return int64_t{options_.epochs} * batches_; }

  float learning_rate_of(int64_t step) const {
    return static_cast<float>(static_cast<double>(options_.lr) *
                              learning_rate_factor(options_.schedule, step, total_steps()));
  }

  void step(const Batch& batch) {
    const float learning_rate = learning_rate_of(state_.step);
    StepResult result;
    try {
      result = train_step(net_, *optimiser_, batch,
                          {.learning_rate = learning_rate,
                           .label_smoothing = options_.label_smoothing,
                           .seed = options_.seed,
                           .step = state_.step,
                           .objective = options_.objective,
                           .penalty = options_.penalty,
                           .observer = options_.observer});
    } catch (const Diverged& error) {
      throw Diverged(
          join("epoch ", state_.epoch + 1, ", learning rate ", learning_rate, ": ", error.what()));
    }
    if (lookahead_) lookahead_->update(state_.step, total_steps());
    if (ema_) ema_->update(state_.step);
    const int n = batch.images.dim(0);
    state_.loss_sum += result.loss * n;
    state_.right += result.right;
    state_.images += n;
    ++state_.step;
    ++state_.batch;
  }

  bool test_epoch() {
    const Ema::Swapped averages(ema_ ? &*ema_ : nullptr);
    const Stopwatch watch;
    auto tell = [this](int done, int total) { report(Progress::Stage::testing, done, total); };
    std::optional<Evaluation> test = evaluate(
        net_, data_.test, data_.mean, data_.std,
        EvaluateOptions{.flip = options_.flip_test, .progress = tell, .stop = options_.stop});
    if (!test) return false;
    test_seconds_ = watch.seconds();
    result_.test = std::move(*test);
    return true;
  }

  void finish_epoch() {
    const double images = static_cast<double>(state_.images);
    state_.history.push_back(
        {.epoch = state_.epoch + 1,
         .loss = state_.loss_sum / images,
         .train_accuracy = static_cast<double>(state_.right) / images,
         .test_loss = result_.test.loss,
         .accuracy = result_.test.accuracy,
         .learning_rate = static_cast<double>(learning_rate_of(state_.step - 1)),
         .seconds = state_.seconds,
         .images_per_second = images / state_.seconds,
         .peak_bytes = storage_stats().peak_bytes});
    ++state_.epoch;
    state_.batch = 0;
    state_.loss_sum = state_.seconds = 0;
    state_.right = state_.images = 0;
    const std::string note = save(state_.epoch == options_.epochs);
    report(Progress::Stage::epoch_done, epoch_images_, epoch_images_, note);
  }

  // What went wrong, unless it `must` succeed: then that is thrown.
  std::string save(bool must) {
    if (options_.folder.empty()) return {};
    try {
      save_checkpoint(checkpoint_path(), state_, identity_);
      write_log();
    } catch (const Error& error) {
      if (must) throw;
      return join("not saved: ", error.what(), "; will try again after the next epoch");
    }
    return {};
  }

  // Written anew from the history, so that it never disagrees with the checkpoint.
  void write_log() const {
    std::string text;
    for (const EpochRecord& record : state_.history) text += to_json(record) + "\n";
    AtomicFile file((options_.folder / "log.jsonl").string(), text.size());
    file.write(text.data(), text.size());
    file.commit();
  }

  std::string checkpoint_path() const { return (options_.folder / "checkpoint.bonsai").string(); }

  double images_per_second() const {
    return run_seconds_ > 0 ? static_cast<double>(run_images_) / run_seconds_ : 0;
  }

  void report(Progress::Stage stage, int done, int total, const std::string& note = {}) const {
    if (!options_.progress) return;
    const bool epoch_done = stage == Progress::Stage::epoch_done;
    const double images = std::max(1.0, static_cast<double>(state_.images));
    Progress p{.stage = stage,
               .epoch = state_.epoch + (epoch_done ? 0 : 1),
               .epochs = options_.epochs,
               .done = done,
               .total = total,
               .loss = state_.loss_sum / images,
               .accuracy = static_cast<double>(state_.right) / images,
               .learning_rate = static_cast<double>(learning_rate_of(state_.step - 1)),
               .images_per_second = images_per_second(),
               .seconds = watch_.seconds(),
               .note = note};
    const double rate = std::max(p.images_per_second, 1e-9);
    const int64_t steps = total_steps() - state_.step;
    p.seconds_left = static_cast<double>(steps) * epoch_images_ / batches_ / rate +
                     test_seconds_ * (options_.epochs - state_.epoch);
    if (epoch_done) {
      p.record = &state_.history.back();
      p.loss = p.record->loss;
      p.accuracy = p.record->train_accuracy;
    }
    options_.progress(p);
  }

  Layer& net_;
  const Dataset& data_;
  const TrainOptions& options_;
  std::unique_ptr<Optimiser> optimiser_;
  Loader loader_;
  RunIdentity identity_;
  std::optional<Ema> ema_;
  std::optional<Lookahead> lookahead_;
  TrainState state_;
  TrainResult result_;
  int batches_ = 0, epoch_images_ = 0;
  // For speed and estimates, of this call alone.
  Stopwatch watch_;
  double run_seconds_ = 0, test_seconds_ = 0;
  int64_t run_images_ = 0;
};

}  // namespace

TrainResult fit(Layer& net, const Dataset& data, const TrainOptions& options) {
  check(options, data);
  require_fit(net, data);
  reset_storage_peak();
  TrainResult result = Trainer(net, data, options).run();
  release_cached_storage();  // a pruned network asks for other sizes
  return result;
}

}  // namespace bonsai
