// Feeds a training or an evaluation: shuffled, augmented, normalised batches, made ahead on one
// background thread while the network works. A batch depends on (seed, epoch, its number) alone:
// the order of an epoch on (seed, epoch), a picture's augmentation on (seed, epoch, its index in
// the data). An epoch entered in the middle goes on with exactly the batches that were left.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "data/augment.h"
#include "data/dataset.h"
#include "engine/tensor.h"

namespace bonsai {

struct Batch {
  Tensor images;                 // [n, H, W, 3], normalised
  Tensor labels;                 // [n], the class numbers
  std::vector<int> places = {};  // in the data; empty when the pictures were augmented
};

struct LoaderOptions {
  int batch = 128;
  bool shuffle = false;
  std::optional<Augment> augment = {};
  uint64_t seed = 1;
  bool drop_last = false;  // leave the last batch out when it is not full
};

class Loader {
 public:
  // `images` stays the caller's and must outlive the loader. Mean and deviation on 0 .. 1.
  Loader(const Images& images, const std::array<float, 3>& mean,
         const std::array<float, 3>& deviation, const LoaderOptions& options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  int batches() const;  // in a whole epoch
  // Enters an epoch (again), leaving the one before wherever it is.
  void start(int epoch, int first_batch = 0);
  // The next batch, or false at the end of the epoch. What went wrong on the background thread is
  // thrown here. The tensors are the caller's to keep.
  bool next(Batch& batch);

 private:
  struct Producer;

  const Images& images_;
  LoaderOptions options_;
  Normaliser normaliser_;
  std::unique_ptr<Producer> producer_;
};

}  // namespace bonsai
