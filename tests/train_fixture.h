// A training of a second: a small network with everything whose state could be forgotten (batch
// norm, dropout), small pictures, and a place on disk.
#pragma once

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <vector>

#include "data/hash.h"
#include "data/synthetic.h"
#include "layers/basic.h"
#include "layers/trainer.h"

namespace bonsai::testing {

struct SmallNet : Module {
  explicit SmallNet(uint64_t seed = 1, int width = 8, float dropped = 0.2F) {
    Random init(seed, Purpose::init);
    auto layers = std::make_unique<Sequential>();
    layers->add_named<ConvBnRelu>("block1", 3, width, 3, ConvOptions{.padding = 1}, init);
    layers->add<MaxPool>();
    layers->add_named<ConvBnRelu>("block2", width, 2 * width, 3, ConvOptions{.padding = 1}, init);
    layers->add<MaxPool>();
    layers->add<Dropout>(dropped);
    layers->add<Flatten>();
    layers->add_named<Linear>("head", 16 * 2 * width, 10, init);
    all = &adopt("net", std::move(layers));
  }
  Var forward(Var x) override { return all->forward(x); }
  Layer* all;
};

// 16x16 pictures: 72 to learn from (3 batches of 24), 20 to test on.
inline const Dataset& small_data() {
  static const Dataset data =
      synthetic_dataset({.height = 16, .width = 16, .train_images = 72, .test_images = 20});
  return data;
}

inline TrainOptions small_options() {
  return {.epochs = 3, .batch = 24, .lr = 0.05F, .augment = {.crop_padding = 2, .cutout = 4}};
}

// Of weights, buffers and every loss of the history.
inline uint64_t fingerprint(Layer& net, const TrainResult& result) {
  Hash hash;
  for (const Parameter* p : net.parameters()) {
    hash.add(p->value.data(), p->value.size() * sizeof(Scalar));
  }
  for (const EpochRecord& r : result.history) {
    for (const double x : {r.loss, r.train_accuracy, r.test_loss, r.accuracy, r.learning_rate}) {
      hash.add(&x, sizeof x);
    }
  }
  return hash.value();
}

// A folder of one's own, gone at the end.
class Folder {
 public:
  Folder() : Folder(std::filesystem::temp_directory_path()) {}
  explicit Folder(const std::filesystem::path& parent) {
    static std::atomic<int> number = 0;
    path_ = parent / ("bonsai_test_" + std::to_string(getpid()) + "_" + std::to_string(number++));
    std::filesystem::remove_all(path_);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const char* name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace bonsai::testing
