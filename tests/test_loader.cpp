// The loader: right numbers, each picture once, and nothing that depends on threads or on where
// an epoch was entered.
#include "data/loader.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "engine/error.h"
#include "engine/parallel.h"
#include "tests/catch.h"
#include "tests/error_of.h"
#include "tests/pictures.h"

namespace bonsai {
namespace {

// Picture i is of class i, so that labels tell which picture a sample was made from.
Images numbered(int count, int height = 6, int width = 8) {
  Images images = make_images(count, height, width);
  Random random(3, Purpose::test);
  for (uint8_t& p : images.pixels) p = static_cast<uint8_t>(random.below(256));
  for (int i = 0; i < count; ++i) images.labels[static_cast<size_t>(i)] = i;
  return images;
}

constexpr std::array<float, 3> mean{0.5f, 0.25f, 0.4f}, deviation{0.2f, 0.25f, 0.3f};

struct Epoch {
  std::vector<std::vector<Scalar>> images, labels;  // one entry per batch
  bool operator==(const Epoch&) const = default;
};

Epoch collect(Loader& loader, int epoch, int first = 0) {
  Epoch all;
  loader.start(epoch, first);
  for (Batch batch; loader.next(batch);) {
    all.images.emplace_back(batch.images.data(), batch.images.data() + batch.images.size());
    all.labels.emplace_back(batch.labels.data(), batch.labels.data() + batch.labels.size());
  }
  return all;
}

std::vector<Scalar> flat(const std::vector<std::vector<Scalar>>& parts) {
  std::vector<Scalar> all;
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

Scalar expected_value(const Images& images, int i, size_t offset) {
  const size_t c = offset % 3;
  const auto byte = static_cast<double>(images.image(i)[offset]);
  return static_cast<Scalar>((byte / 255 - static_cast<double>(mean[c])) /
                             static_cast<double>(deviation[c]));
}

}  // namespace

TEST_CASE("without shuffling and augmentation: all pictures in order, normalised") {
  const Images images = numbered(10);
  Loader loader(images, mean, deviation, {.batch = 4});
  CHECK(loader.batches() == 3);
  const Epoch epoch = collect(loader, 0);
  REQUIRE(epoch.images.size() == 3);
  CHECK(epoch.labels[2] == std::vector<Scalar>{8, 9});
  const std::vector<Scalar> values = flat(epoch.images);
  REQUIRE(values.size() == images.pixels.size());
  double worst = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t size = images.image_bytes();
    worst = std::max<double>(
        worst, std::abs(values[i] - expected_value(images, static_cast<int>(i / size), i % size)));
  }
  CHECK(worst < 1e-5);
}

TEST_CASE("the last batch is short, or left out on demand") {
  const Images images = numbered(10);
  Loader keep(images, mean, deviation, {.batch = 4});
  keep.start(0);
  Batch batch;
  for (int i = 0; i < 3; ++i) REQUIRE(keep.next(batch));
  CHECK(batch.images.shape() == Shape{2, 6, 8, 3});
  CHECK(!keep.next(batch));
  CHECK(!keep.next(batch));
  Loader drop(images, mean, deviation, {.batch = 4, .drop_last = true});
  CHECK(drop.batches() == 2);
  CHECK(collect(drop, 0).labels.size() == 2);
}

TEST_CASE("a shuffled epoch holds each picture once, in an order of its own") {
  const Images images = numbered(50);
  Loader loader(images, mean, deviation, {.batch = 8, .shuffle = true, .seed = 5});
  const std::vector<Scalar> first = flat(collect(loader, 0).labels);
  CHECK(std::set<Scalar>(first.begin(), first.end()).size() == 50);
  CHECK(first.size() == 50);
  CHECK(first != flat(collect(loader, 1).labels));
  CHECK(first == flat(collect(loader, 0).labels));
  Loader other(images, mean, deviation, {.batch = 8, .shuffle = true, .seed = 6});
  CHECK(first != flat(collect(other, 0).labels));
}

TEST_CASE("an epoch entered in the middle goes on with the same batches") {
  const Images images = numbered(50);
  const LoaderOptions options{
      .batch = 8, .shuffle = true, .augment = Augment{.crop_padding = 2, .cutout = 3}, .seed = 5};
  Loader loader(images, mean, deviation, options);
  const Epoch whole = collect(loader, 3);
  for (const int first : {1, 4, 6, 7}) {
    Loader fresh(images, mean, deviation, options);
    const Epoch rest = collect(fresh, 3, first);
    CHECK(rest.images == std::vector(whole.images.begin() + first, whole.images.end()));
    CHECK(rest.labels == std::vector(whole.labels.begin() + first, whole.labels.end()));
  }
}

TEST_CASE("the number of threads changes no bit", "[threads]") {
  const Images images = numbered(40);
  const LoaderOptions options{.batch = 16, .shuffle = true, .augment = Augment{}, .seed = 9};
  const int threads = thread_count();
  Loader loader(images, mean, deviation, options);
  set_thread_count(1);
  const Epoch one = collect(loader, 2);
  set_thread_count(3);
  const Epoch three = collect(loader, 2);
  set_thread_count(threads);
  CHECK(one == three);
}

TEST_CASE("a picture's augmentation depends on epoch and picture, not on the batch") {
  const Images images = numbered(12);
  const LoaderOptions large{.batch = 12, .augment = Augment{}},
      small{.batch = 5, .augment = Augment{}};
  Loader a(images, mean, deviation, large), b(images, mean, deviation, small);
  const std::vector<Scalar> epoch = flat(collect(a, 1).images);
  CHECK(epoch == flat(collect(b, 1).images));
  CHECK(epoch != flat(collect(a, 2).images));
}

TEST_CASE("crop, mirror and cutout put each value where the definition says") {
  const int height = 6, width = 8;
  const Images images = numbered(1, height, width);
  const Normaliser normaliser(mean, deviation);
  std::vector<Scalar> out(images.image_bytes());
  for (const Padding padding : {Padding::reflect, Padding::mean}) {
    for (const bool flip : {false, true}) {
      const Placement p{-2, 3, flip, 1, 2, 4, 5};
      write_sample(images.image(0), height, width, p, padding, normaliser, out.data());
      int wrong = 0;
      for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
          int from_y = y - 2, from_x = (flip ? width - 1 - x : x) + 3;
          const bool outside = from_y < 0 || from_x >= width;
          const bool cut = y >= 1 && y < 4 && x >= 2 && x < 5;
          if (from_y < 0) from_y = -from_y;
          if (from_x >= width) from_x = 2 * (width - 1) - from_x;
          for (int c = 0; c < 3; ++c) {
            const auto offset = static_cast<size_t>((from_y * width + from_x) * 3 + c);
            const bool zero = cut || (outside && padding == Padding::mean);
            const Scalar expected = zero ? 0 : expected_value(images, 0, offset);
            const Scalar got = out[static_cast<size_t>((y * width + x) * 3 + c)];
            wrong += std::abs(got - expected) > 1e-5f ? 1 : 0;
          }
        }
      }
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("placements cover their whole range and nothing beyond") {
  std::set<int> down, right;
  int flips = 0, largest = 0, smallest = 100;
  for (uint64_t i = 0; i < 2000; ++i) {
    const Placement p =
        draw_placement({.crop_padding = 3, .cutout = 4}, 32, 32, Random(1, Purpose::augment, i));
    down.insert(p.down);
    right.insert(p.right);
    flips += p.flip ? 1 : 0;
    const int area = (p.cut_bottom - p.cut_top) * (p.cut_right - p.cut_left);
    largest = std::max(largest, area);
    smallest = std::min(smallest, area);
    REQUIRE((p.cut_top >= 0 && p.cut_left >= 0 && p.cut_bottom <= 32 && p.cut_right <= 32));
  }
  CHECK(down == std::set<int>{-3, -2, -1, 0, 1, 2, 3});
  CHECK(right == down);
  CHECK(std::abs(flips - 1000) < 100);
  CHECK(largest == 16);
  CHECK(smallest == 4);  // centred on a corner
  const Placement none = draw_placement(Augment::none(), 32, 32, Random(1, Purpose::augment));
  CHECK((none.down == 0 && none.right == 0 && !none.flip && none.cut_bottom == 0));
}

TEST_CASE("an alternating flip shows every picture both ways in two epochs") {
  const Images images = numbered(40);
  Loader loader(images, mean, deviation,
                {.batch = 8,
                 .shuffle = true,
                 .augment = Augment{.crop_padding = 0, .flip = Flip::alternate},
                 .seed = 2});
  Loader plain(images, mean, deviation, {.batch = 1});
  const Epoch straight = collect(plain, 0);
  const size_t size = images.image_bytes();
  // Per epoch and picture: whether it came mirrored. It must be the one or the other.
  std::vector<std::vector<bool>> flipped(4, std::vector<bool>(40));
  for (int epoch = 0; epoch < 4; ++epoch) {
    const Epoch seen = collect(loader, epoch);
    for (size_t b = 0; b < seen.images.size(); ++b) {
      for (size_t i = 0; i < seen.labels[b].size(); ++i) {
        const auto picture = static_cast<size_t>(seen.labels[b][i]);
        const auto from = seen.images[b].begin() + static_cast<int64_t>(i * size);
        const std::vector<Scalar> sample(from, from + static_cast<int64_t>(size));
        Tensor mirror = Tensor::uninitialized({1, 6, 8, 3});
        for (size_t y = 0; y < 6; ++y)
          for (size_t x = 0; x < 8; ++x)
            for (size_t c = 0; c < 3; ++c)
              mirror[(y * 8 + x) * 3 + c] = straight.images[picture][(y * 8 + 7 - x) * 3 + c];
        const bool is_flipped = std::equal(sample.begin(), sample.end(), mirror.data());
        CHECK(is_flipped != (sample == straight.images[picture]));
        flipped[static_cast<size_t>(epoch)][picture] = is_flipped;
      }
    }
  }
  const auto flips = std::count(flipped[0].begin(), flipped[0].end(), true);
  CHECK((flips > 8 && flips < 32));
  for (size_t picture = 0; picture < 40; ++picture) {
    CHECK(flipped[1][picture] != flipped[0][picture]);
    CHECK(flipped[2][picture] == flipped[0][picture]);
    CHECK(flipped[3][picture] == flipped[1][picture]);
  }
}

TEST_CASE("a loader can be left and entered at any moment", "[threads]") {
  const Images images = numbered(64);
  for (int i = 0; i < 20; ++i) {
    Loader loader(images, mean, deviation, {.batch = 2, .shuffle = true, .augment = Augment{}});
    Batch batch;
    loader.start(0);
    for (int n = 0; n < i; ++n) REQUIRE(loader.next(batch));
    loader.start(1, i);
    if (i % 2 == 0) REQUIRE(loader.next(batch));
  }
  Loader unused(images, mean, deviation, {.batch = 2});
  Batch batch;
  CHECK_THROWS_AS(unused.next(batch), Error);
}

TEST_CASE("batches are the caller's to keep") {
  const Images images = numbered(12);
  Loader loader(images, mean, deviation, {.batch = 3});
  const Epoch expected = collect(loader, 0);
  loader.start(0);
  std::vector<Batch> kept;
  for (Batch batch; loader.next(batch);) kept.push_back(batch);
  for (size_t i = 0; i < kept.size(); ++i) {
    CHECK(std::equal(expected.images[i].begin(), expected.images[i].end(), kept[i].images.data()));
  }
}

TEST_CASE("what fails on the background thread reaches the caller", "[threads]") {
  const Images images = numbered(8);
  Loader loader(images, mean, deviation, {.batch = 4, .augment = Augment{.crop_padding = -1}});
  loader.start(0);
  Batch batch;
  CHECK(contains(error_of([&] { loader.next(batch); }), "crop padding"));
  CHECK(!loader.next(batch));
}

TEST_CASE("a loader refuses what it cannot do") {
  const Images images = numbered(8);
  CHECK_THROWS_AS(Loader(images, mean, deviation, {.batch = 0}), Error);
  CHECK_THROWS_AS(Loader(images, mean, deviation, {.batch = 9, .drop_last = true}), Error);
  CHECK_THROWS_AS(Loader(make_images(0, 4, 4), mean, deviation, {}), Error);
  Images cut = images;
  cut.pixels.pop_back();
  CHECK_THROWS_AS(Loader(cut, mean, deviation, {}), Error);
  Loader loader(images, mean, deviation, {.batch = 4});
  CHECK_THROWS_AS(loader.start(0, 3), Error);
  CHECK_THROWS_AS(loader.start(-1), Error);
}

TEST_CASE("statistics are those of all pixels of a channel") {
  Images images = make_images(2, 1, 1);
  images.pixels = {0, 51, 255, 255, 51, 0};
  const PixelStatistics s = pixel_statistics(images);
  CHECK(s.mean[0] == Approx(0.5));
  CHECK(s.mean[1] == Approx(0.2));
  CHECK(s.deviation[0] == Approx(0.5));
  // A channel that never changes gets a deviation to divide by.
  CHECK(s.deviation[1] == 1.0F / 255);
  const Normaliser normaliser(s.mean, s.deviation);
  CHECK(std::isfinite(normaliser(1, 51)));
}

TEST_CASE("a subset is a seeded choice, and a fingerprint sees every byte and label") {
  Dataset data;
  data.train = numbered(20);
  data.test = numbered(5);
  const Images some = subset(data.train, 6, 1);
  CHECK(some.count() == 6);
  CHECK(some.labels == subset(data.train, 6, 1).labels);
  CHECK(some.labels != subset(data.train, 6, 2).labels);
  for (int i = 0; i < 6; ++i) {
    CHECK(std::equal(some.image(i), some.image(i) + some.image_bytes(),
                     data.train.image(some.labels[static_cast<size_t>(i)])));
  }
  CHECK(subset(data.train, 20, 1).labels == data.train.labels);
  const uint64_t before = data.fingerprint();
  CHECK(before == data.fingerprint());
  data.test.pixels.back() ^= 1;
  CHECK(before != data.fingerprint());
  data.test.pixels.back() ^= 1;
  data.train.labels[3] = 4;
  CHECK(before != data.fingerprint());
}

}  // namespace bonsai
