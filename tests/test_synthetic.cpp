// The drawn pictures: pure functions of their address, balanced, smooth, and no task for a linear
// classifier.
#include "data/synthetic.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <set>

#include "data/hash.h"
#include "data/shapes.h"
#include "engine/error.h"
#include "engine/parallel.h"
#include "engine/random.h"
#include "tests/catch.h"

namespace bonsai {
namespace {

std::vector<uint8_t> drawn(uint64_t seed, Split split, int index, int height = 32, int width = 32) {
  std::vector<uint8_t> pixels(static_cast<size_t>(height * width * 3));
  draw_synthetic(seed, split, index, height, width, pixels.data());
  return pixels;
}

// Test accuracy of softmax regression on normalised pixels, trained by plain SGD.
double linear_accuracy(const Images& train, const Images& test) {
  const PixelStatistics s = pixel_statistics(train);
  const size_t n = train.image_bytes();
  const auto features = [&](const Images& images, int i) {
    std::vector<float> x(n);
    for (size_t k = 0; k < n; ++k) {
      x[k] = (static_cast<float>(images.image(i)[k]) / 255 - s.mean[k % 3]) / s.deviation[k % 3];
    }
    return x;
  };
  std::vector<std::vector<float>> weights(10, std::vector<float>(n + 1));
  const auto scores = [&](const std::vector<float>& x) {
    std::array<float, 10> z{};
    for (size_t c = 0; c < 10; ++c) {
      z[c] = std::inner_product(x.begin(), x.end(), weights[c].begin(), weights[c][n]);
    }
    return z;
  };
  for (int epoch = 0; epoch < 3; ++epoch) {
    for (const int i :
         permutation(train.count(), Random(1, Purpose::test, static_cast<uint64_t>(epoch)))) {
      const std::vector<float> x = features(train, i);
      std::array<float, 10> p = scores(x);
      const float top = *std::max_element(p.begin(), p.end());
      for (float& v : p) v = std::exp(v - top);
      const float sum = std::accumulate(p.begin(), p.end(), 0.0f);
      for (size_t c = 0; c < 10; ++c) {
        const bool truth = static_cast<int>(c) == train.labels[static_cast<size_t>(i)];
        const float step = 5e-4f * ((truth ? 1.0f : 0.0f) - p[c] / sum);
        for (size_t k = 0; k < n; ++k) weights[c][k] += step * x[k];
        weights[c][n] += step;
      }
    }
  }
  int right = 0;
  for (int i = 0; i < test.count(); ++i) {
    const std::array<float, 10> z = scores(features(test, i));
    const auto best = std::max_element(z.begin(), z.end()) - z.begin();
    right += best == test.labels[static_cast<size_t>(i)] ? 1 : 0;
  }
  return static_cast<double>(right) / test.count();
}

}  // namespace

TEST_CASE("a drawn picture depends on seed, split and index alone") {
  const std::vector<uint8_t> picture = drawn(1, Split::train, 7);
  CHECK(picture == drawn(1, Split::train, 7));
  CHECK(picture != drawn(2, Split::train, 7));
  CHECK(picture != drawn(1, Split::test, 7));
  CHECK(picture != drawn(1, Split::train, 17));
  const Images many = synthetic_images(1, Split::train, 40, 32, 32);
  CHECK(std::equal(picture.begin(), picture.end(), many.image(7)));
}

TEST_CASE("the number of threads changes no pixel", "[threads]") {
  const int threads = thread_count();
  set_thread_count(1);
  const Images one = synthetic_images(3, Split::train, 100, 16, 16);
  set_thread_count(3);
  const Images three = synthetic_images(3, Split::train, 100, 16, 16);
  set_thread_count(threads);
  CHECK(one.pixels == three.pixels);
}

TEST_CASE("the dataset has the sizes asked for, balanced classes and its statistics") {
  std::vector<int64_t> done;
  DataOptions options;
  options.height = 20;
  options.width = 24;
  options.train_images = 60;
  options.test_images = 30;
  options.progress = [&](const DataProgress& p) { done.push_back(p.done); };
  const Dataset data = load_dataset("synthetic", options);
  CHECK(data.name == "synthetic");
  CHECK(data.train.count() == 60);
  CHECK(data.test.count() == 30);
  CHECK(data.input_shape(4) == Shape{4, 20, 24, 3});
  CHECK(data.classes.size() == 10);
  CHECK(std::set<std::string>(data.classes.begin(), data.classes.end()).size() == 10);
  for (int c = 0; c < 10; ++c) {
    CHECK(std::count(data.train.labels.begin(), data.train.labels.end(), c) == 6);
  }
  CHECK(data.mean == pixel_statistics(data.train).mean);
  CHECK(done == std::vector<int64_t>{60, 30});
  options.seed = 2;
  CHECK(load_dataset("synthetic", options).fingerprint() != data.fingerprint());
}

TEST_CASE("every picture has contrast, and no two are the same") {
  const Images images = synthetic_images(1, Split::test, 200, 32, 32);
  std::set<uint64_t> seen;
  for (int i = 0; i < images.count(); ++i) {
    const auto [low, high] =
        std::minmax_element(images.image(i), images.image(i) + images.image_bytes());
    CHECK(*high - *low > 50);
    seen.insert(Hash().add(images.image(i), images.image_bytes()).value());
  }
  CHECK(seen.size() == 200);
}

TEST_CASE("a scene looks the same at another size") {
  for (int index = 0; index < 10; ++index) {
    const std::vector<uint8_t> large = drawn(5, Split::train, index, 128, 128);
    const std::vector<uint8_t> small = drawn(5, Split::train, index, 32, 32);
    double difference = 0;
    for (size_t y = 0; y < 32; ++y) {
      for (size_t x = 0; x < 32 * 3; ++x) {
        double sum = 0;
        for (size_t k = 0; k < 16; ++k) {
          const size_t row = 4 * y + k / 4, column = 4 * (x / 3) + k % 4;
          sum += large[(row * 128 + column) * 3 + x % 3];
        }
        difference += std::abs(sum / 16 - small[y * 96 + x]);
      }
    }
    CHECK(difference / (32 * 96) < 12);  // grain and edges; other scenes differ by 40 and more
  }
}

TEST_CASE("signed distances have the right sign and, near an edge, the right size") {
  using namespace shapes;
  CHECK(circle({0.5f, 0}) == Approx(-0.5));
  CHECK(ring({0, 0}) > 0);
  CHECK(ring({0.78f, 0}) == Approx(-0.22));
  CHECK(square({0.94f, 0}) == Approx(0.1));
  CHECK(triangle({0, 0}) == Approx(-0.58));
  CHECK(triangle({0, 1.16f}) == Approx(0).margin(1e-5));
  CHECK(star({0, 1.12f}) == Approx(0).margin(1e-5));
  CHECK(star({0, -1.0f}) > 0.2f);  // between two lower points
  CHECK(cross({0.9f, 0.9f}) > 0.5f);
  CHECK(crescent({0.7f, 0}) > 0);
  CHECK(crescent({-0.8f, 0}) < 0);
  CHECK(stripes({0.5f, 3}) == Approx(-0.25));
  CHECK(dots({0.5f, 0.5f}) == Approx(-0.32));
  CHECK(checkerboard({0.5f, 0.5f}) * checkerboard({0.5f, 1.0f}) < 0);
  CHECK(stroke({0, 1}, {-1, 0}, {1, 0}, 0.25f) == Approx(0.75));
}

TEST_CASE("a linear classifier on pixels stays under 50 %", "[slow]") {
  const Images train = synthetic_images(1, Split::train, 1000, 32, 32);
  const Images test = synthetic_images(1, Split::test, 300, 32, 32);
  const double accuracy = linear_accuracy(train, test);
  CAPTURE(accuracy);
  CHECK(accuracy < 0.5);
  CHECK(accuracy > 0.1);
  // The same classifier does solve a task that is linear: class = which band of rows is bright.
  Images bands_train = make_images(400, 32, 32), bands_test = make_images(100, 32, 32);
  for (Images* images : {&bands_train, &bands_test}) {
    for (int i = 0; i < images->count(); ++i) {
      images->labels[static_cast<size_t>(i)] = i % 10;
      std::fill_n(images->image(i) + (i % 10) * 3 * 96, 3 * 96, static_cast<uint8_t>(200));
    }
  }
  CHECK(linear_accuracy(bands_train, bands_test) > 0.95);
}

TEST_CASE("impossible pictures are refused") {
  CHECK_THROWS_AS(drawn(1, Split::train, -1), Error);
  CHECK_THROWS_AS(draw_synthetic(1, Split::train, 0, 0, 32, nullptr), Error);
}

}  // namespace bonsai
