#include "layers/evaluate.h"

#include <algorithm>

#include "data/loader.h"
#include "engine/error.h"
#include "engine/ops.h"

namespace bonsai {
namespace {

// Adds one batch to the sums; `loss` is a sum over pictures until the end.
void add_batch(Evaluation& result, const Tensor& logits, const Batch& batch, double mean_loss) {
  const int n = logits.dim(0), classes = logits.dim(1);
  if (result.confusion.empty()) {
    result.confusion.assign(static_cast<size_t>(classes),
                            std::vector<int>(static_cast<size_t>(classes)));
  }
  for (int i = 0; i < n; ++i) {
    const int guess =
        argmax(logits.data() + static_cast<size_t>(i) * static_cast<size_t>(classes), classes);
    const int label = static_cast<int>(batch.labels[static_cast<size_t>(i)]);
    ++result.confusion[static_cast<size_t>(label)][static_cast<size_t>(guess)];
    result.predictions.push_back(guess);
  }
  result.loss += mean_loss * n;
  result.images += n;
}

void finish(Evaluation& result) {
  int right = 0;
  for (size_t c = 0; c < result.confusion.size(); ++c) right += result.confusion[c][c];
  result.accuracy = static_cast<double>(right) / result.images;
  result.loss /= result.images;
}

}  // namespace

int argmax(const Scalar* values, int n) {
  return static_cast<int>(std::max_element(values, values + n) - values);
}

std::optional<Evaluation> evaluate(Layer& net, const Images& images,
                                   const std::array<float, 3>& mean,
                                   const std::array<float, 3>& deviation,
                                   const EvaluateOptions& options) {
  require(images.count() > 0, "evaluate: there are no pictures");
  Loader loader(images, mean, deviation, {.batch = std::min(options.batch, images.count())});
  Evaluation result;
  Batch batch;
  loader.start(0);
  while (loader.next(batch)) {
    Tape tape(Mode::inference);
    const Var logits = net.forward(tape.constant(batch.images));
    require(logits.shape().size() == 2, "evaluate: the network's result has shape ", logits.shape(),
            ", should be [pictures, classes]");
    const Var loss = cross_entropy(logits, tape.constant(batch.labels));
    add_batch(result, logits.value(), batch, static_cast<double>(loss.value().item()));
    if (options.progress) options.progress(result.images, images.count());
    if (options.stop != nullptr && *options.stop) return std::nullopt;
  }
  finish(result);
  return result;
}

Evaluation evaluate(Layer& net, const Images& images, const std::array<float, 3>& mean,
                    const std::array<float, 3>& deviation, int batch) {
  return *evaluate(net, images, mean, deviation, EvaluateOptions{.batch = batch});
}

}  // namespace bonsai
