#include "compress/layer_times.h"

#include <algorithm>
#include <chrono>
#include <type_traits>
#include <utility>
#include <vector>

#include "compress/latency.h"
#include "compress/thread_count.h"
#include "engine/error.h"
#include "engine/passes.h"
#include "engine/random.h"

namespace bonsai {
namespace {

// Runs of a layer that are timed: at least so many, and for so long, but not much longer.
constexpr size_t least_runs = 7;
constexpr double least_ms = 2, most_ms = 100;

double milliseconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(now).count();
}

double median_run(const Op& op, std::span<const Tensor> in, Tensor& out) {
  op.forward(in, out, Pass{});  // brings everything into the cache
  std::vector<double> times;
  for (double spent = 0; times.size() < least_runs || spent < least_ms;) {
    const double start = milliseconds();
    op.forward(in, out, Pass{});
    times.push_back(milliseconds() - start);
    spent += times.back();
    if (spent > most_ms) break;
  }
  return summarize(std::move(times)).median_ms;
}

std::string text_of(const Attribute& attribute) {
  return std::visit([](const auto& value) { return join(value); }, attribute);
}

// The shapes decide, not the numbers: "conv2d groups=1 stride=1 ... [1, 8, 8, 16] [32, 3, 3, 16]".
std::string key_of(const Graph& graph, const Node& node) {
  std::string key(node.op->name());
  for (const auto& [name, value] : node.op->attributes()) key += " " + name + "=" + text_of(value);
  for (const int v : node.in) key += join(" ", graph.values[static_cast<size_t>(v)].shape);
  return key;
}

Tensor filled(const Graph::Value& value) {
  if (value.parameter) return value.parameter->value;
  Tensor tensor = Tensor::uninitialized(value.shape);
  Random random(1, Purpose::test);
  for (size_t i = 0; i < tensor.size(); ++i) tensor[i] = static_cast<Scalar>(random.normal());
  return tensor;
}

}  // namespace

LayerTimes::LayerTimes(Timer timer) : timer_(std::move(timer)) {}
LayerTimes::LayerTimes() : LayerTimes(median_run) {}

void LayerTimes::restore(const TimeTable& table) {
  table_.scale = table.scale;
  for (const auto& [key, ms] : table.layers) table_.layers[key] = ms;
}

double LayerTimes::of(const Graph& graph, const Node& node) {
  const auto [entry, fresh] = table_.layers.try_emplace(key_of(graph, node), 0);
  if (!fresh) return entry->second;
  std::vector<Tensor> in;
  for (const int v : node.in) in.push_back(filled(graph.values[static_cast<size_t>(v)]));
  Tensor out = Tensor::uninitialized(graph.values[static_cast<size_t>(node.out)].shape);
  const OpPtr prepared = node.op->prepared(in, out);
  try {
    entry->second = timer_(prepared ? *prepared : *node.op, in, out);
  } catch (...) {
    table_.layers.erase(entry);
    throw;
  }
  return entry->second;
}

double LayerTimes::predict(const Graph& graph) {
  const ThreadCount one(1);
  const Graph shipped = fuse_selections(fuse_activations(fold_batch_norm(drop_identities(graph))));
  double sum = 0;
  for (const Node& node : shipped.nodes) sum += of(shipped, node);
  return table_.scale * sum;
}

void LayerTimes::calibrate(const Graph& graph, double ms) {
  table_.scale = 1;
  const double sum = predict(graph);
  if (sum > 0) table_.scale = ms / sum;
}

}  // namespace bonsai
