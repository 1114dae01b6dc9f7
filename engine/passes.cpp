#include "engine/passes.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "engine/ceil_div.h"
#include "engine/channel_runs.h"
#include "engine/error.h"
#include "engine/ops/activation.h"
#include "engine/ops/registry.h"

namespace bonsai {
namespace {

Graph::Value& value_of(Graph& graph, int v) { return graph.values[static_cast<size_t>(v)]; }

// Per value: the node that makes it, or -1.
std::vector<int> producers(const Graph& graph) {
  std::vector<int> makers(graph.values.size(), -1);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    makers[static_cast<size_t>(graph.nodes[n].out)] = static_cast<int>(n);
  }
  return makers;
}

// Whether node n is all that ever sees value v.
bool only_reader(const Graph& graph, const std::vector<std::vector<int>>& readers, size_t n,
                 int v) {
  return v != graph.output && readers[static_cast<size_t>(v)] == std::vector{static_cast<int>(n)};
}

// Removes the marked nodes, and the memory of values that nobody names any more.
void sweep(Graph& graph, const std::vector<bool>& gone) {
  std::vector<Node> kept;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    if (!gone[n]) kept.push_back(std::move(graph.nodes[n]));
  }
  graph.nodes = std::move(kept);
  std::vector<bool> named(graph.values.size(), false);
  named[static_cast<size_t>(graph.input)] = named[static_cast<size_t>(graph.output)] = true;
  for (const Node& node : graph.nodes) {
    for (const int v : node.in) named[static_cast<size_t>(v)] = true;
    named[static_cast<size_t>(node.out)] = true;
  }
  for (size_t v = 0; v < graph.values.size(); ++v) {
    if (!named[v]) graph.values[v] = {};
  }
}

std::string free_name(Graph& graph, std::string name) {
  while (graph.find(name) != nullptr) name += "_folded";
  return name;
}

// A value for a rewritten parameter: the old one when only node n reads it, else a new one.
int writable(Graph& graph, const std::vector<std::vector<int>>& readers, size_t n, int v) {
  if (only_reader(graph, readers, n, v)) return v;
  graph.values.push_back({.shape = {},
                          .parameter = std::make_unique<Parameter>(Parameter{
                              .name = free_name(graph, value_of(graph, v).parameter->name)})});
  return static_cast<int>(graph.values.size()) - 1;
}

void set_parameter(Graph& graph, int v, Tensor tensor) {
  value_of(graph, v).shape = tensor.shape();
  value_of(graph, v).parameter->value = std::move(tensor);
}

bool all_parameters(const Graph& graph, const Node& node) {
  return std::all_of(node.in.begin() + 1, node.in.end(), [&](int v) {
    return graph.values[static_cast<size_t>(v)].parameter != nullptr;
  });
}

// A layer of weights and perhaps a bias, with no activation fused into it.
bool is_affine(const Op& op) {
  const bool known =
      op.name() == "conv2d" || op.name() == "conv_transpose2d" || op.name() == "linear";
  return known && op.attributes().count("activation") == 0;
}

// The axis of a layer's weights along which its results are numbered: [out, ...], but [in, kh, kw,
// out / groups] of a transposed convolution.
int output_axis(const Op& op) { return op.name() == "conv_transpose2d" ? 3 : 0; }

// y = scale x + shift, channel by channel: what a batch norm is in inference.
struct Affine {
  std::vector<double> scale, shift;
};

Affine as_affine(const Graph& graph, const Node& norm) {
  auto tensor = [&](size_t i) {
    return graph.values[static_cast<size_t>(norm.in[i])].parameter->value;
  };
  const Tensor gamma = tensor(1), beta = tensor(2), mean = tensor(3), var = tensor(4);
  const double eps = std::get<double>(norm.op->attributes().at("eps"));
  Affine affine;
  for (size_t c = 0; c < gamma.size(); ++c) {
    const double scale = gamma[c] / std::sqrt(static_cast<double>(var[c]) + eps);
    affine.scale.push_back(scale);
    affine.shift.push_back(beta[c] - mean[c] * scale);
  }
  return affine;
}

// Folds the affine map into node n's weight and bias [out].
void fold_into(Graph& graph, const std::vector<std::vector<int>>& readers, size_t n,
               const Affine& affine) {
  const std::vector<int> in = graph.nodes[n].in;
  const Tensor old_w = value_of(graph, in[1]).parameter->value;
  const Tensor old_b = in.size() > 2 ? value_of(graph, in[2]).parameter->value : Tensor();
  const size_t out = affine.scale.size();
  Tensor w = Tensor::uninitialized(old_w.shape());
  Tensor b = Tensor::uninitialized({static_cast<int>(out)});
  for_each_channel_run(old_w, output_axis(*graph.nodes[n].op), static_cast<int>(out),
                       [&](size_t o, size_t begin, size_t length) {
                         for (size_t i = begin; i < begin + length; ++i) {
                           w[i] = static_cast<Scalar>(old_w[i] * affine.scale[o]);
                         }
                       });
  for (size_t o = 0; o < out; ++o) {
    const double old_bias = old_b.defined() ? old_b[o] : 0;
    b[o] = static_cast<Scalar>(affine.shift[o] + old_bias * affine.scale[o]);
  }
  int bias;
  if (in.size() > 2) {
    bias = writable(graph, readers, n, in[2]);
  } else {  // "conv1.weight" -> "conv1.bias"
    std::string name = value_of(graph, in[1]).parameter->name;
    name = name.substr(0, name.rfind('.') + 1) + "bias";
    graph.values.push_back({.shape = {},
                            .parameter = std::make_unique<Parameter>(
                                Parameter{.name = free_name(graph, std::move(name))})});
    bias = static_cast<int>(graph.values.size()) - 1;
  }
  const int weight = writable(graph, readers, n, in[1]);
  set_parameter(graph, weight, std::move(w));
  set_parameter(graph, bias, std::move(b));
  graph.nodes[n].in = {in[0], weight, bias};
}

size_t aligned(size_t scalars) {
  constexpr size_t line = 64 / sizeof(Scalar);
  return ceil_div(scalars, line) * line;
}

// The start of the smallest gap between the taken ranges (sorted by start) that holds `size`, or
// the end of the last range.
size_t best_gap(const std::vector<std::pair<size_t, size_t>>& taken, size_t size) {
  size_t end = 0, best = 0, smallest = SIZE_MAX;
  for (const auto& [from, to] : taken) {
    if (from > end && from - end >= size && from - end < smallest) {
      smallest = from - end;
      best = end;
    }
    end = std::max(end, to);
  }
  return smallest == SIZE_MAX ? end : best;
}

}  // namespace

Graph fold_batch_norm(Graph graph) {
  const auto readers = consumers(graph);
  const auto makers = producers(graph);
  std::vector<bool> gone(graph.nodes.size(), false);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& norm = graph.nodes[n];
    if (norm.op->name() != "batch_norm" || !only_reader(graph, readers, n, norm.in[0])) continue;
    const int maker = makers[static_cast<size_t>(norm.in[0])];
    if (maker < 0) continue;
    const auto m = static_cast<size_t>(maker);
    const Node& product = graph.nodes[m];
    if (!is_affine(*product.op)) continue;
    if (!all_parameters(graph, product) || !all_parameters(graph, norm)) continue;
    fold_into(graph, readers, m, as_affine(graph, norm));
    graph.nodes[m].out = norm.out;
    gone[n] = true;
  }
  sweep(graph, gone);
  return graph;
}

Graph drop_identities(Graph graph) {
  std::vector<bool> gone(graph.nodes.size(), false);
  std::vector<int> same_as(graph.values.size());
  std::iota(same_as.begin(), same_as.end(), 0);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    Node& node = graph.nodes[n];
    for (int& v : node.in) v = same_as[static_cast<size_t>(v)];
    gone[n] = node.op->name() == "dropout";
    if (gone[n]) same_as[static_cast<size_t>(node.out)] = node.in[0];
  }
  graph.output = same_as[static_cast<size_t>(graph.output)];
  sweep(graph, gone);
  return graph;
}

Graph fuse_activations(Graph graph) {
  const auto readers = consumers(graph);
  auto makers = producers(graph);
  std::vector<bool> gone(graph.nodes.size(), false);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    const Activation* activation = as_activation(*node.op);
    if (activation == nullptr || !only_reader(graph, readers, n, node.in[0])) continue;
    const int maker = makers[static_cast<size_t>(node.in[0])];
    if (maker < 0) continue;
    Node& producer = graph.nodes[static_cast<size_t>(maker)];
    OpPtr fused = producer.op->with_activation(*activation);
    if (fused == nullptr) continue;
    producer.op = std::move(fused);
    producer.out = node.out;
    makers[static_cast<size_t>(node.out)] = maker;
    gone[n] = true;
  }
  sweep(graph, gone);
  return graph;
}

Graph fuse_selections(Graph graph) {
  const auto readers = consumers(graph);
  const auto makers = producers(graph);
  std::vector<bool> gone(graph.nodes.size(), false);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    Node& node = graph.nodes[n];
    if (node.op->name() != "conv2d" || !only_reader(graph, readers, n, node.in[0])) continue;
    const int maker = makers[static_cast<size_t>(node.in[0])];
    if (maker < 0) continue;
    const Node& selection = graph.nodes[static_cast<size_t>(maker)];
    Attributes attributes = node.op->attributes();
    if (selection.op->name() != "select" || attributes.count("channels") != 0) continue;
    const auto channels = [&](int v) { return value_of(graph, v).shape.back(); };
    if (channels(selection.out) >= channels(selection.in[0])) continue;
    attributes["channels"] = selection.op->attributes().at("index");
    node.op = make_op("conv2d", attributes);
    node.in[0] = selection.in[0];
    gone[static_cast<size_t>(maker)] = true;
  }
  sweep(graph, gone);
  return graph;
}

std::vector<Lifetime> lifetimes(const Graph& graph) {
  const int end = static_cast<int>(graph.nodes.size());
  std::vector<Lifetime> lives(graph.values.size());
  auto extend = [&](int v, int n) {
    Lifetime& life = lives[static_cast<size_t>(v)];
    if (graph.values[static_cast<size_t>(v)].parameter) return;
    if (life.first > life.last) life.first = n;
    life.last = n;
  };
  extend(graph.input, 0);
  for (int n = 0; n < end; ++n) {
    for (const int v : graph.nodes[static_cast<size_t>(n)].in) extend(v, n);
    extend(graph.nodes[static_cast<size_t>(n)].out, n);
  }
  extend(graph.output, std::max(end - 1, 0));
  return lives;
}

// Greedy by size (Pisarchyk and Lee 2020, "Efficient Memory Management for Deep Neural Net
// Inference"): the largest value first, each into the smallest gap that the values already
// placed leave during its lifetime.
MemoryPlan plan_memory(const Graph& graph) {
  const std::vector<Lifetime> lives = lifetimes(graph);
  std::vector<size_t> size(graph.values.size(), 0), order;
  for (size_t v = 0; v < graph.values.size(); ++v) {
    if (lives[v].first > lives[v].last) continue;
    size[v] = aligned(element_count(graph.values[v].shape));
    order.push_back(v);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return size[a] > size[b]; });

  MemoryPlan plan{.offsets = std::vector<size_t>(graph.values.size(), 0)};
  for (size_t i = 0; i < order.size(); ++i) {
    const size_t v = order[i];
    std::vector<std::pair<size_t, size_t>> taken;
    for (size_t j = 0; j < i; ++j) {
      const size_t u = order[j];
      const bool meet = lives[u].first <= lives[v].last && lives[v].first <= lives[u].last;
      if (meet) taken.emplace_back(plan.offsets[u], plan.offsets[u] + size[u]);
    }
    std::sort(taken.begin(), taken.end());
    plan.offsets[v] = best_gap(taken, size[v]);
    plan.size = std::max(plan.size, plan.offsets[v] + size[v]);
  }
  return plan;
}

}  // namespace bonsai
