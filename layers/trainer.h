// fit: the training loop. Each epoch learns from all training pictures once, tests on the test
// pictures, adds a line to log.jsonl and saves a checkpoint.
// The same options give the same weights to the bit, for any number of threads and however often
// the training was stopped and resumed.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "data/augment.h"
#include "data/dataset.h"
#include "engine/layer.h"
#include "layers/checkpoint.h"
#include "layers/evaluate.h"
#include "layers/objective.h"
#include "layers/optim.h"
#include "layers/penalty.h"
#include "layers/schedule.h"
#include "layers/step.h"

namespace bonsai {

struct Progress {
  enum class Stage { training, testing, epoch_done } stage = Stage::training;
  int epoch = 1, epochs = 1;      // from 1
  int done = 0, total = 0;        // pictures of this stage
  double loss = 0, accuracy = 0;  // training: of this epoch so far
  double learning_rate = 0;
  double images_per_second = 0;          // of training
  double seconds = 0, seconds_left = 0;  // since fit began; an estimate until its end
  const EpochRecord* record = nullptr;   // epoch_done: what it came to
  std::string note = {};                 // epoch_done: what a user should know
};

struct TrainOptions {
  int epochs = 30;
  int batch = 128;  // at most: fewer pictures make smaller batches
  float lr = 0.1F;  // the peak; the schedule says which share of it
  OptimiserOptions optimiser = {};
  Schedule schedule = {};
  float label_smoothing = 0.1F;
  Augment augment = {};
  uint64_t seed = 1;                  // of shuffling, augmentation and dropout
  bool drop_last = true;              // a last batch that is not full is left out
  float ema = 0;                      // decay of the weight average (layers/ema.h); 0: none
  int lookahead = 0;                  // steps between its updates (layers/lookahead.h); 0: none
  bool flip_test = false;             // tests take the mean over a picture and its mirror image
  Objective* objective = nullptr;     // null: Classification; must outlive the training
  Penalty* penalty = nullptr;         // must outlive the training
  std::filesystem::path folder = {};  // checkpoint.bonsai, log.jsonl; empty: nothing is written
  bool resume = false;                // go on from the folder's checkpoint, if there is one
  std::string start = {};             // what the network begins as, such as a checksum: the
                                      // checkpoint of a run that began otherwise is refused
  std::function<void(const Progress&)> progress = {};  // after every batch
  StepObserver* observer = nullptr;                    // is told what steps cost; null: no timing
  const std::atomic<bool>* stop = nullptr;             // true: finish the step, save, return
};

struct TrainResult {
  std::vector<EpochRecord> history;
  Evaluation test;          // of the finished network; empty when stopped
  bool stopped = false;     // before the end
  int64_t steps = 0;        // of training in this call
  double seconds = 0;       // in this call
  double step_seconds = 0;  // of which in steps of training
  double data_seconds = 0;  // of which waiting for the next batch
  double images_per_second = 0;
};

// Afterwards the network holds the averages if there are any. Throws Diverged, with the last
// checkpoint intact, when numbers overflow; Error on a wrong option, when the network does not
// fit the data, when the checkpoint belongs to another training, and when the last checkpoint
// could not be saved (one that fails on the way is tried again after the next epoch).
TrainResult fit(Layer& net, const Dataset& data, const TrainOptions& options = {});

}  // namespace bonsai
