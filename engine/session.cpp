#include "engine/session.h"

#include <algorithm>
#include <utility>

#include "engine/error.h"
#include "engine/passes.h"
#include "engine/stopwatch.h"
#include "engine/storage.h"

namespace bonsai {
namespace {

Graph with_batch(Graph graph, int batch) {
  require(batch >= 1, "session: batch is ", batch, ", should be at least 1");
  Shape shape = graph.input_shape();
  shape.at(0) = batch;
  graph.infer_shapes(std::move(shape));  // which validates every index as well
  return graph;
}

}  // namespace

Session::Session(Graph graph, const SessionOptions& options)
    : graph_(with_batch(std::move(graph), options.batch)) {
  graph_ = drop_identities(std::move(graph_));
  graph_ = fold_batch_norm(std::move(graph_));
  graph_ = fuse_activations(std::move(graph_));
  graph_ = fuse_selections(std::move(graph_));
  allocate();
  bind();
}

void Session::allocate() {
  const MemoryPlan plan = plan_memory(graph_);
  arena_bytes_ = plan.size * sizeof(Scalar);
  arena_ = allocate_storage(arena_bytes_);
  for (size_t v = 0; v < graph_.values.size(); ++v) {
    const Graph::Value& value = graph_.values[v];
    auto* place = static_cast<Scalar*>(arena_.get()) + plan.offsets[v];
    values_.push_back(value.parameter ? value.parameter->value : Tensor::view(place, value.shape));
  }
}

void Session::bind() {
  for (const Node& node : graph_.nodes) {
    Step& step = steps_.emplace_back(
        Step{.op = node.op, .in = {}, .out = values_[static_cast<size_t>(node.out)]});
    for (const int v : node.in) step.in.push_back(values_[static_cast<size_t>(v)]);
    if (OpPtr prepared = node.op->prepared(step.in, step.out)) step.op = std::move(prepared);
  }
}

void Session::run(const float* x, float* y, StepObserver* observer) {
  const Tensor& input = values_[static_cast<size_t>(graph_.input)];
  std::copy(x, x + input.size(), input.data());
  for (size_t n = 0; n < steps_.size(); ++n) {
    Step& step = steps_[n];
    const Stopwatch watch(observer != nullptr);
    step.op->forward(step.in, step.out, Pass{});
    if (observer == nullptr) continue;
    const double seconds = watch.seconds();
    observer->ran({.name = graph_.node_name(n),
                   .operation = std::string(step.op->name()),
                   .node = static_cast<int>(n),
                   .op = *step.op,
                   .in = step.in,
                   .out = step.out,
                   .seconds = seconds});
  }
  const Tensor& output = values_[static_cast<size_t>(graph_.output)];
  std::transform(output.data(), output.data() + output.size(), y,
                 [](Scalar value) { return static_cast<float>(value); });
}

int64_t peak_activation_bytes(const Graph& graph) {
  return static_cast<int64_t>(Session(graph).arena_bytes());
}

}  // namespace bonsai
