#include "layers/picture_metrics.h"

#include <cmath>
#include <limits>
#include <numeric>

#include "engine/error.h"
#include "layers/evaluate.h"

namespace bonsai {

double psnr(const Tensor& result, const Tensor& truth, double peak) {
  require(result.shape() == truth.shape() && result.size() > 0, "psnr: shapes ", result.shape(),
          " and ", truth.shape(), " should be the same and not empty");
  require(peak > 0, "psnr: peak is ", peak, ", should be above 0");
  double sum = 0;
  for (size_t i = 0; i < result.size(); ++i) {
    const double difference = double{result[i]} - double{truth[i]};
    sum += difference * difference;
  }
  if (sum == 0) return std::numeric_limits<double>::infinity();
  return 10 * std::log10(peak * peak * static_cast<double>(result.size()) / sum);
}

void count_pixels(const Tensor& logits, const Tensor& labels,
                  std::vector<std::vector<int>>& confusion) {
  require(logits.rank() >= 1 && logits.dim(-1) > 0 &&
              Shape(logits.shape().begin(), logits.shape().end() - 1) == labels.shape(),
          "count_pixels: logits of shape ", logits.shape(), " and labels of shape ", labels.shape(),
          " should be [..., K] and [...]");
  const auto classes = static_cast<size_t>(logits.dim(-1));
  if (confusion.empty()) confusion.assign(classes, std::vector<int>(classes));
  require(confusion.size() == classes, "count_pixels: the table has ", confusion.size(),
          " classes, the logits ", classes);
  for (size_t i = 0; i < labels.size(); ++i) {
    const Scalar label = labels[i];
    require(label >= 0 && label < static_cast<Scalar>(classes), "count_pixels: label ", i, " is ",
            label, ", should be 0 to ", classes - 1);
    const int guess = argmax(logits.data() + i * classes, static_cast<int>(classes));
    ++confusion[static_cast<size_t>(label)][static_cast<size_t>(guess)];
  }
}

double mean_iou(const std::vector<std::vector<int>>& confusion) {
  double sum = 0;
  int classes = 0;
  for (size_t c = 0; c < confusion.size(); ++c) {
    int64_t either = -int64_t{confusion[c][c]};
    for (size_t k = 0; k < confusion.size(); ++k) either += confusion[c][k] + confusion[k][c];
    if (either == 0) continue;  // neither there nor guessed
    sum += confusion[c][c] / static_cast<double>(either);
    ++classes;
  }
  require(classes > 0, "mean_iou: no pixel was counted");
  return sum / classes;
}

}  // namespace bonsai
