#include "layers/picture_metrics.h"

#include <cmath>

#include "tests/catch.h"
#include "tests/error_of.h"

using namespace bonsai;

using Table = std::vector<std::vector<int>>;

TEST_CASE("psnr has its closed forms") {
  const Tensor x({1, 2, 2, 3}, Scalar(0.5)), y({1, 2, 2, 3}, Scalar(0.25));
  CHECK(psnr(x, y) == Approx(20 * std::log10(4.0)));
  CHECK(psnr(x, y, 255) == Approx(20 * std::log10(255 * 4.0)));
  CHECK(std::isinf(psnr(x, x)));
  // Half the pixels off by 0.2, the others right: the mean squared error is 0.02.
  const Tensor half = Tensor::of({2, 2}, {0, Scalar(0.2), 0, Scalar(-0.2)});
  CHECK(psnr(half, Tensor({2, 2})) == Approx(10 * std::log10(50.0)));
  CHECK(error_of([&] { psnr(x, half); }) ==
        "psnr: shapes [1, 2, 2, 3] and [2, 2] should be the same and not empty");
  CHECK(error_of([&] { psnr(x, y, 0); }) == "psnr: peak is 0, should be above 0");
}

TEST_CASE("pixels are counted by class and guess") {
  const Tensor logits = Tensor::of({1, 2, 2, 3}, {5, 1, 0, 0, 2, 1, 0, 0, 1, 7, 7, 0});
  const Tensor labels = Tensor::of({1, 2, 2}, {0, 2, 2, 0});
  Table table;
  count_pixels(logits, labels, table);
  CHECK(table == Table{{2, 0, 0}, {0, 0, 0}, {0, 1, 1}});  // of equal logits, the first counts
  count_pixels(logits, labels, table);
  CHECK(table == Table{{4, 0, 0}, {0, 0, 0}, {0, 2, 2}});
  CHECK(error_of([&] { count_pixels(logits, labels.reshape({4}), table); }) ==
        "count_pixels: logits of shape [1, 2, 2, 3] and labels of shape [4] should be [..., K] and "
        "[...]");
  CHECK(error_of([&] {
          count_pixels(logits, Tensor({1, 2, 2}, 3), table);
        }) == "count_pixels: label 0 is 3, should be 0 to 2");
  Table small{{0}};
  CHECK(error_of([&] { count_pixels(logits, labels, small); }) ==
        "count_pixels: the table has 1 classes, the logits 3");
}

TEST_CASE("mean_iou weighs classes alike and leaves out those that do not occur") {
  CHECK(mean_iou({{7, 0}, {0, 2}}) == 1);
  CHECK(mean_iou({{0, 3}, {5, 0}}) == 0);
  // 6 / (8 + 7 - 6) and 3 / (4 + 5 - 3)
  CHECK(mean_iou({{6, 2}, {1, 3}}) == Approx((6.0 / 9 + 3.0 / 6) / 2));
  CHECK(mean_iou({{6, 2, 0}, {1, 3, 0}, {0, 0, 0}}) == mean_iou({{6, 2}, {1, 3}}));
  // Guessed, but never there: wrong.
  CHECK(mean_iou({{6, 0, 2}, {0, 4, 0}, {0, 0, 0}}) == Approx((6.0 / 8 + 1) / 3));
  CHECK(error_of([] { mean_iou({{0, 0}, {0, 0}}); }) == "mean_iou: no pixel was counted");
}
