// Pictures to learn from. They stay as bytes in memory (CIFAR-10: 184 MB) and become numbers only
// batch by batch in the Loader; every source (drawn in code, CIFAR-10's binary files, folders and
// archives of pictures) ends as the same Dataset.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/graph.h"
#include "engine/tensor.h"

namespace bonsai {

// Colour pictures of one size: count x height x width x 3 bytes (R, G, B), and a class for each.
struct Images {
  static constexpr int channels = 3;

  int height = 0, width = 0;
  std::vector<uint8_t> pixels;
  std::vector<int> labels;

  int count() const { return static_cast<int>(labels.size()); }
  size_t image_bytes() const {
    return static_cast<size_t>(height) * static_cast<size_t>(width) * channels;
  }
  const uint8_t* image(int i) const {
    return pixels.data() + static_cast<size_t>(i) * image_bytes();
  }
  uint8_t* image(int i) { return pixels.data() + static_cast<size_t>(i) * image_bytes(); }
};

// `count` black pictures of class 0. Throws Error with the size needed when memory is short.
Images make_images(int count, int height, int width);

// The first n of a seeded shuffle; all of them, as they are, when n is 0 or not below the count.
Images subset(Images images, int n, uint64_t seed);

// Every picture brought to another size (see fit in image.h).
Images resized(Images images, int height, int width);

// Per channel, on values 0 .. 1, over all pixels (not the mean of per-image deviations).
struct PixelStatistics {
  std::array<float, 3> mean{}, deviation{};
};
PixelStatistics pixel_statistics(const Images& images);

struct BadImage {
  std::string path, reason;
};

struct Dataset {
  std::string name;
  Images train, test;
  std::vector<std::string> classes;
  std::array<float, 3> mean{}, std{};  // of `train`, on values 0 .. 1
  std::vector<BadImage> skipped;       // pictures that could not be read
  std::vector<std::string> notes;      // what a user should know: a split that was made, ...

  Shape input_shape(int batch = 1) const { return {batch, train.height, train.width, 3}; }
  // What the file of a network that learned from these pictures must say (Graph::info).
  ModelInfo info(const std::string& network) const;
  // Depends on all pixels and labels: a resumed training can refuse other data.
  uint64_t fingerprint() const;
};

struct DataProgress {
  std::string_view stage;       // "drawing pictures", "decoding pictures", ...
  int64_t done = 0, total = 0;  // total is 0 while unknown
};
using ProgressCallback = std::function<void(const DataProgress&)>;

struct DataOptions {
  int height = 0, width = 0;                     // 0: the data's own; folders of pictures: 32 x 32
  std::filesystem::path cache = "bonsai-cache";  // downloads and decoded pictures
  bool skip_bad = false;                         // leave unreadable pictures out, up to 1 % of all
  uint64_t seed = 1;  // of drawn pictures, splits and subsets; not the training's seed
  int train_images = 0, test_images = 0;  // at most so many; synthetic: how many to draw
  ProgressCallback progress = {};         // called on the calling thread
};

// `where`: "synthetic", "cifar10" (downloaded before by download_cifar10), or a path: a folder with
// CIFAR-10's binary files, a folder of class folders, or a .tar, .tar.gz, .tgz or .tar.xz of
// either.
Dataset load_dataset(const std::string& where, const DataOptions& options = {});

}  // namespace bonsai
