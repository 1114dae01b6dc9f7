#include "data/dataset.h"

#include <algorithm>
#include <cmath>
#include <new>

#include "data/hash.h"
#include "data/image.h"
#include "engine/ceil_div.h"
#include "engine/error.h"
#include "engine/parallel.h"
#include "engine/random.h"

namespace bonsai {

Images make_images(int count, int height, int width) {
  require(count >= 0 && height > 0 && width > 0, "pictures: ", count, " of ", height, "x", width,
          " pixels cannot be");
  Images images;
  images.height = height;
  images.width = width;
  const size_t bytes = static_cast<size_t>(count) * images.image_bytes();
  try {
    images.pixels.resize(bytes);
    images.labels.resize(static_cast<size_t>(count));
  } catch (const std::bad_alloc&) {
    throw Error(join("pictures: no memory for ", bytes >> 20, " MiB (", count, " pictures of ",
                     height, "x", width, ")"));
  }
  return images;
}

Images subset(Images images, int n, uint64_t seed) {
  if (n <= 0 || n >= images.count()) return images;
  const std::vector<int> order = permutation(images.count(), Random(seed, Purpose::choice));
  Images chosen = make_images(n, images.height, images.width);
  for (int i = 0; i < n; ++i) {
    const int from = order[static_cast<size_t>(i)];
    std::copy_n(images.image(from), images.image_bytes(), chosen.image(i));
    chosen.labels[static_cast<size_t>(i)] = images.labels[static_cast<size_t>(from)];
  }
  return chosen;
}

Images resized(Images images, int height, int width) {
  if (height == images.height && width == images.width) return images;
  Images result = make_images(images.count(), height, width);
  result.labels = images.labels;
  parallel_ranges(images.count(), 16, [&](int64_t begin, int64_t end) {
    for (int i = static_cast<int>(begin); i < static_cast<int>(end); ++i) {
      const Picture small{
          images.height, images.width, {images.image(i), images.image(i) + images.image_bytes()}};
      const Picture picture = fit(small, height, width);
      std::copy(picture.pixels.begin(), picture.pixels.end(), result.image(i));
    }
  });
  return result;
}

PixelStatistics pixel_statistics(const Images& images) {
  require(images.count() > 0, "statistics: there are no pictures");
  // Counting bytes is exact, so neither the order nor the number of threads can matter.
  using Histogram = std::array<std::array<int64_t, 256>, 3>;
  constexpr int64_t grain = 4096;
  std::vector<Histogram> parts(static_cast<size_t>(ceil_div(images.count(), grain)));
  parallel_ranges(images.count(), grain, [&](int64_t begin, int64_t end) {
    Histogram& part = parts[static_cast<size_t>(begin / grain)];
    const uint8_t* p = images.image(static_cast<int>(begin));
    const uint8_t* last = p + static_cast<size_t>(end - begin) * images.image_bytes();
    for (; p != last; p += 3) {
      for (size_t c = 0; c < 3; ++c) ++part[c][p[c]];
    }
  });
  PixelStatistics result;
  for (size_t c = 0; c < 3; ++c) {
    double count = 0, sum = 0, squares = 0;
    for (const Histogram& part : parts) {
      for (size_t v = 0; v < 256; ++v) {
        const double n = static_cast<double>(part[c][v]), x = static_cast<double>(v) / 255;
        count += n;
        sum += n * x;
        squares += n * x * x;
      }
    }
    const double mean = sum / count;
    result.mean[c] = static_cast<float>(mean);
    // A channel that never changes has no deviation to divide by.
    const double deviation = std::sqrt(std::max(squares / count - mean * mean, 0.0));
    result.deviation[c] = static_cast<float>(std::max(deviation, 1.0 / 255));
  }
  return result;
}

ModelInfo Dataset::info(const std::string& network) const {
  return {network, classes, {mean.begin(), mean.end()}, {std.begin(), std.end()}};
}

uint64_t Dataset::fingerprint() const {
  Hash hash;
  for (const Images* images : {&train, &test}) {
    hash.add(static_cast<uint64_t>(images->height)).add(static_cast<uint64_t>(images->width));
    hash.add(images->pixels.data(), images->pixels.size());
    for (const int label : images->labels) hash.add(static_cast<uint64_t>(label));
  }
  return hash.value();
}

}  // namespace bonsai
