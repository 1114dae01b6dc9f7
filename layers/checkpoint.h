// All that a training needs to go on to the bit after it was stopped or killed, in one file that
// is replaced whole: weights, buffers, optimiser state, weight averages, the place in the epoch
// with its running sums, and the history. Random numbers have no state (engine/random.h).
// The file also says which run it belongs to; any other run is refused.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/tensor.h"

namespace bonsai {

// What an epoch came to. Accuracies are shares, losses means over pictures.
struct EpochRecord {
  int epoch = 0;                        // from 1
  double loss = 0, train_accuracy = 0;  // of the augmented training pictures, while learning
  double test_loss = 0, accuracy = 0;   // of the test pictures, afterwards
  double learning_rate = 0;             // of the last step
  double seconds = 0;                   // of training, without the test
  double images_per_second = 0;
  size_t peak_bytes = 0;  // the most that tensors have held so far
};

// One line of log.jsonl.
std::string to_json(const EpochRecord& record);

struct TrainState {
  int epoch = 0, batch = 0;  // what comes next, from 0; batch may be the number of batches
  int64_t step = 0;
  double loss_sum = 0;  // of this epoch so far, over pictures
  int64_t right = 0, images = 0;
  double seconds = 0;
  std::vector<EpochRecord> history;

  // Named tensors whose memory belongs to the network, the optimiser and the averages.
  std::vector<std::pair<std::string, Tensor>> tensors;
};

// What a run is: option -> value. Every difference is a refusal.
using RunIdentity = std::map<std::string, std::string>;

// Throws Error, beginning with `where`, when an option of ours was another there, naming the first.
void require_same_run(const std::string& where, const RunIdentity& theirs, RunIdentity ours);

void save_checkpoint(const std::string& path, const TrainState& state, const RunIdentity& run);

// Fills in the state and the memory of its tensors. Throws Error, and changes nothing, when the
// file belongs to another run or network, naming the first difference.
void load_checkpoint(const std::string& path, TrainState& state, const RunIdentity& run);

}  // namespace bonsai
