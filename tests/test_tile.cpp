// The register tiles against sums in double precision, in each of their forms: one vector or two,
// whole columns or cut, adding or not, with groups that take turns.
#include "engine/kernels/tile.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/random.h"
#include "tests/catch.h"

using namespace bonsai;

namespace {

constexpr int most_lanes = 16;  // that a vector may read beyond the last number it needs

std::vector<Scalar> drawn(int64_t n, Random& random) {
  std::vector<Scalar> numbers(static_cast<size_t>(n));
  for (Scalar& number : numbers) number = random.uniform(-1, 1);
  return numbers;
}

// Rows at places of their own, as the pixels of a convolution are.
struct Rows {
  std::vector<std::vector<Scalar>> numbers{};
  std::vector<const Scalar*> at{};

  Rows(int count, int size, Random& random) {
    for (int i = 0; i < count; ++i) {
      numbers.push_back(drawn(size + most_lanes, random));
      at.push_back(numbers.back().data());
    }
  }
};

double largest_difference(const std::vector<Scalar>& a, const std::vector<double>& b) {
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

std::vector<double> widened(const std::vector<Scalar>& numbers) {
  return {numbers.begin(), numbers.end()};
}

// What lies outside of a tile's columns and pixels must stay.
void check_forward(const TileKernels& t, int groups, bool wide, bool cut, bool add,
                   Random& random) {
  const int taps = random.between(1, 3), in = random.between(1, 50), offset = random.between(0, 5);
  const int width = (wide ? 2 : 1) * t.lanes;
  const int columns = cut ? random.between(wide ? t.lanes + 1 : 1, width - 1) : width;
  const int count = random.chance(0.7f) ? t.pixels : random.between(1, t.pixels);
  const int stride = columns + random.between(0, 7);
  const Rows x(taps * t.pixels, offset + in * groups, random);
  std::vector<Scalar> w = drawn(int64_t{taps} * in * width, random);
  for (size_t i = 0; i < w.size(); ++i) {
    if (static_cast<int>(i) % width >= columns) w[i] = 0;
  }
  std::vector<Scalar> y = drawn(int64_t{t.pixels} * stride + most_lanes, random);
  std::vector<double> expected = widened(y);
  for (int p = 0; p < count; ++p) {
    for (int c = 0; c < columns; ++c) {
      double& sum = expected[static_cast<size_t>(p * stride + c)];
      if (!add) sum = 0;
      for (int i = 0; i < taps * in; ++i) {
        sum += double{x.at[static_cast<size_t>(i / in * t.pixels + p)]
                          [offset + i % in * groups + c % groups]} *
               w[static_cast<size_t>(i * width + c)];
      }
    }
  }
  ForwardAhead ahead{{w.data(), static_cast<int64_t>(w.size()), 3}, {y.data(), stride, 3}};
  forward_pixels(t, count, width, x.at.data(), taps, in, offset, w.data(), y.data(), stride,
                 columns, add, ahead);
  INFO("groups " << groups << ", width " << width << ", columns " << columns << ", add " << add);
  CHECK(largest_difference(y, expected) < 1e-4);
}

void check_weights(const TileKernels& t, int groups, bool wide, Random& random) {
  const int inputs = random.between(1, t.pixels), count = random.between(1, 70);
  const int width = (wide ? 2 : 1) * t.lanes, offset = random.between(0, 5);
  const int pitch = width + random.between(0, 9), stride = width + random.between(0, 5);
  const Rows x(count, offset + inputs * groups, random);
  const std::vector<Scalar> dy = drawn(int64_t{count} * pitch, random);
  std::vector<Scalar> dw = drawn(int64_t{inputs} * stride, random);
  std::vector<double> expected = widened(dw);
  for (int i = 0; i < inputs; ++i) {
    for (int c = 0; c < width; ++c) {
      for (int p = 0; p < count; ++p) {
        expected[static_cast<size_t>(i * stride + c)] +=
            double{x.at[static_cast<size_t>(p)][offset + i * groups + c % groups]} *
            dy[static_cast<size_t>(p * pitch + c)];
      }
    }
  }
  BackwardAhead ahead{{dy.data(), static_cast<int64_t>(dy.size()), 3}, {}};
  (wide ? t.weights_wide : t.weights_narrow)(x.at.data(), offset, inputs, dy.data(), pitch, count,
                                             dw.data(), stride, ahead);
  INFO("groups " << groups << ", width " << width << ", inputs " << inputs << ", count " << count);
  CHECK(largest_difference(dw, expected) < 1e-4);
}

}  // namespace

TEST_CASE("tile: each form agrees with the plain sum and leaves the rest alone") {
  if (tile_kernels() == nullptr) return skip("this processor has no register tiles");
  Random random(25, Purpose::test);
  for (const int groups : {1, 2, 4, 8}) {
    const TileKernels* t = tile_kernels(groups);
    if (t == nullptr) continue;
    for (int form = 0; form < 8; ++form) {
      const bool wide = form % 2 != 0, cut = form / 2 % 2 != 0, add = form / 4 != 0;
      for (int repeat = 0; repeat < 10; ++repeat) {
        check_forward(*t, groups, wide, cut, add, random);
        check_weights(*t, groups, wide, random);
      }
    }
  }
}
