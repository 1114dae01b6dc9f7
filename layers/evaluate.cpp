#include "layers/evaluate.h"

#include <algorithm>

#include "data/loader.h"
#include "engine/error.h"
#include "engine/ops.h"
#include "engine/parallel.h"

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

Var outputs(Layer& net, Tape& tape, const Tensor& images, bool flip) {
  const Var logits = net.forward(tape.constant(images));
  if (!flip) return logits;
  return scale(add(logits, net.forward(tape.constant(mirrored(images)))), 0.5F);
}

void finish(Evaluation& result) {
  int right = 0;
  for (size_t c = 0; c < result.confusion.size(); ++c) right += result.confusion[c][c];
  result.accuracy = static_cast<double>(right) / result.images;
  result.loss /= result.images;
}

}  // namespace

Tensor mirrored(const Tensor& images) {
  const int width = images.dim(2), channels = images.dim(3);
  Tensor result = Tensor::uninitialized(images.shape());
  const int64_t lines = int64_t{images.dim(0)} * images.dim(1);
  parallel_ranges(lines, 256, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * width; i < end * width; ++i) {
      const int64_t line = i / width, from = line * width + (width - 1 - i % width);
      std::copy_n(images.data() + from * channels, channels, result.data() + i * channels);
    }
  });
  return result;
}

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
    const Var logits = outputs(net, tape, batch.images, options.flip);
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
