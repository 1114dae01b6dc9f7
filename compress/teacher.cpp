#include "compress/teacher.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "data/loader.h"
#include "engine/error.h"
#include "engine/passes.h"
#include "layers/checksum.h"

namespace bonsai {
namespace {

bool makes_all(const Graph& graph, const std::vector<int>& values) {
  return std::all_of(values.begin(), values.end(), [&](int v) {
    return std::any_of(graph.nodes.begin(), graph.nodes.end(),
                       [v](const Node& node) { return node.out == v; });
  });
}

// Rewrites keep the numbers of the values that remain.
Graph for_inference(const Graph& graph, const std::vector<int>& taps) {
  Graph best = graph;
  for (Graph (*rewrite)(Graph) : {drop_identities, fold_batch_norm, fuse_activations}) {
    Graph rewritten = rewrite(best);
    if (makes_all(rewritten, taps)) best = std::move(rewritten);
  }
  return best;
}

void require_same_pictures(const Graph& graph, const Dataset& data) {
  const Shape &in = graph.input_shape(), &out = graph.output_shape();
  const Shape pictures = {1, data.train.height, data.train.width, 3};
  require(in == pictures, "teacher: reads pictures of shape ", in, ", the student learns from ",
          pictures);
  const int classes = static_cast<int>(data.classes.size());
  require(out == Shape{1, classes}, "teacher: its answer has shape ", out, ", should be ",
          Shape{1, classes}, ", a number per class of the data");
}

}  // namespace

Teacher::Teacher(const Graph& graph, std::vector<int> taps, const Dataset& data)
    : graph_(for_inference(graph, taps)), taps_(std::move(taps)) {
  require_same_pictures(graph, data);
  Graph original = graph;
  checksum_ = weight_checksum(original);
  for (const std::vector<int>& readers : consumers(graph_)) {
    last_reads_.push_back(readers.empty() ? -1 : readers.back());
  }
  for (const int v : taps_)
    last_reads_[static_cast<size_t>(v)] = static_cast<int>(graph_.nodes.size());
  convert_pictures(data);
}

// x = (p - mean) / std in the batches, (p - mean') / std' for the graph: x' = x scale + shift.
void Teacher::convert_pictures(const Dataset& data) {
  const ModelInfo& info = graph_.info;
  if (info.mean.size() != 3 || info.std.size() != 3) return;
  for (size_t c = 0; c < 3; ++c) {
    converts_ = converts_ || info.mean[c] != data.mean[c] || info.std[c] != data.std[c];
    scale_[c] = static_cast<Scalar>(data.std[c] / info.std[c]);
    shift_[c] = static_cast<Scalar>((data.mean[c] - info.mean[c]) / info.std[c]);
  }
}

Tensor Teacher::converted(const Tensor& images) const {
  if (!converts_) return images;
  Tensor result = Tensor::uninitialized(images.shape());
  for (size_t i = 0; i < result.size(); ++i) result[i] = images[i] * scale_[i % 3] + shift_[i % 3];
  return result;
}

Answer Teacher::answer(const Tensor& images) const {
  std::vector<Tensor> values;
  for (const Graph::Value& value : graph_.values) {
    values.push_back(value.parameter ? value.parameter->value : Tensor());
  }
  const auto at = [&](int v) -> Tensor& { return values[static_cast<size_t>(v)]; };
  at(graph_.input) = converted(images);
  for (size_t n = 0; n < graph_.nodes.size(); ++n) {
    const Node& node = graph_.nodes[n];
    std::vector<Tensor> in;
    std::vector<Shape> shapes;
    for (const int v : node.in) {
      in.push_back(at(v));
      shapes.push_back(at(v).shape());
    }
    at(node.out) = Tensor::uninitialized(node.op->infer(shapes));
    node.op->forward(in, at(node.out), {});
    for (const int v : node.in) {
      if (v != graph_.output && last_reads_[static_cast<size_t>(v)] == static_cast<int>(n))
        at(v) = {};
    }
  }
  Answer answer{at(graph_.output), {}};
  for (size_t i = 0; i < answer.logits.size(); ++i) {
    require(std::isfinite(answer.logits[i]), "teacher: its answer to picture ",
            i / static_cast<size_t>(answer.logits.dim(1)), " of the batch is not finite");
  }
  for (const int v : taps_) answer.taps.push_back(at(v));
  return answer;
}

Tensor Teacher::logits(const Images& images, const Dataset& data,
                       const std::function<void(int, int)>& progress) const {
  constexpr int batch_size = 250;
  Tensor all({images.count(), graph_.output_shape()[1]});
  Loader loader(images, data.mean, data.std, {.batch = batch_size});
  loader.start(0);
  Scalar* to = all.data();
  for (Batch batch; loader.next(batch);) {
    const Tensor logits = answer(batch.images).logits;
    to = std::copy_n(logits.data(), logits.size(), to);
    if (progress) progress(static_cast<int>(to - all.data()) / all.dim(1), images.count());
  }
  return all;
}

}  // namespace bonsai
