// Super-resolution is learned: pictures halved by averaging are enlarged again, better than by
// interpolation.
#include <algorithm>
#include <cmath>

#include "data/synthetic.h"
#include "layers/picture_metrics.h"
#include "tests/catch.h"
#include "tests/picture_training.h"
#include "zoo/espcn.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

struct Pairs {
  Tensor coarse, fine;  // values 0 .. 1
};

Pairs drawn_pairs(Split split, int count) {
  const Images images = synthetic_images(1, split, count, 32, 32);
  Pairs pairs{{}, Tensor({count, 32, 32, 3})};
  for (size_t i = 0; i < pairs.fine.size(); ++i) {
    pairs.fine[i] = static_cast<Scalar>(images.pixels[i]) / 255;
  }
  Tape tape(Mode::inference);
  pairs.coarse = average_pool(tape.constant(pairs.fine)).value().clone();
  return pairs;
}

// The weight of a pixel at a distance, in pixels.
using Interpolation = double (*)(double distance);

double nearest(double d) { return d > -0.5 && d <= 0.5 ? 1 : 0; }
double bilinear(double d) { return std::max(0.0, 1 - std::abs(d)); }

// Keys 1981, "Cubic Convolution Interpolation for Digital Image Processing", with a = -0.75: the
// bicubic of PyTorch and OpenCV, and the better choice here.
double bicubic(double d) {
  const double a = -0.75, x = std::abs(d);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? a * (((x - 5) * x + 8) * x - 4) : 0;
}

// Twice as high and wide; the border repeats its pixels.
Tensor enlarged(const Tensor& x, Interpolation weight) {
  const int h = x.dim(1), w = x.dim(2), channels = x.dim(3);
  Tensor y({x.dim(0), 2 * h, 2 * w, channels});
  size_t to = 0;
  for (int n = 0; n < x.dim(0); ++n) {
    for (int row = 0; row < 2 * h; ++row) {
      for (int column = 0; column < 2 * w; ++column, to += static_cast<size_t>(channels)) {
        const double at_y = (row - 0.5) / 2, at_x = (column - 0.5) / 2;  // in coarse pixels
        for (int i = row / 2 - 2; i <= row / 2 + 2; ++i) {
          for (int j = column / 2 - 2; j <= column / 2 + 2; ++j) {
            const auto share = static_cast<Scalar>(weight(at_y - i) * weight(at_x - j));
            if (share == 0) continue;
            const int line = n * h + std::clamp(i, 0, h - 1), pixel = std::clamp(j, 0, w - 1);
            const Scalar* from = x.data() + (line * w + pixel) * channels;
            for (int c = 0; c < channels; ++c) y[to + static_cast<size_t>(c)] += share * from[c];
          }
        }
      }
    }
  }
  return y;
}

}  // namespace

TEST_CASE("the interpolations of this test keep ramps") {
  Tensor ramp({1, 8, 8, 1});
  for (size_t i = 0; i < 64; ++i) ramp[i] = static_cast<Scalar>(i / 8);
  for (const Interpolation f : {bilinear, bicubic}) {
    const Tensor y = enlarged(ramp, f);
    for (size_t row = 4; row < 12; ++row) {
      // Cubic convolution is exact on ramps for a = -0.5 alone.
      const double slack = f == bicubic ? 0.1 : 1e-6;
      CHECK(y[row * 16 + 7] == Approx((static_cast<double>(row) - 0.5) / 2).margin(slack));
    }
  }
  CHECK(enlarged(ramp, nearest)[16 * 5] == 2);
}

TEST_CASE("untrained, ESPCN enlarges to the nearest pixels") {
  const Pairs test = drawn_pairs(Split::test, 2);
  const auto net = zoo::espcn();
  CHECK(max_abs_difference(predicted(*net, test.coarse), enlarged(test.coarse, nearest)) == 0);
}

TEST_CASE("ESPCN learns to enlarge better than interpolation does") {
  const Pairs train = drawn_pairs(Split::train, 512), test = drawn_pairs(Split::test, 200);
  const auto quality = [&](Interpolation f) { return psnr(enlarged(test.coarse, f), test.fine); };
  CHECK(quality(nearest) < quality(bilinear));
  CHECK(quality(bilinear) < quality(bicubic));

  const auto net = zoo::espcn();
  train_on_pictures(*net, train.coarse, train.fine, mean_squared_error,
                    {.steps = 600, .batch = 8, .learning_rate = 3e-3F});
  const double learned = psnr(predicted(*net, test.coarse), test.fine);
  INFO("bicubic " << quality(bicubic) << " dB, learned " << learned << " dB");
  CHECK(learned > quality(bicubic) + 0.1);  // 26.4 to 26.5 against 26.07
}
