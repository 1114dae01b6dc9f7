#include "compress/prune.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "compress/axis_table.h"
#include "engine/error.h"

namespace bonsai {
namespace {

const Tensor& parameter_value(const Graph& graph, int value) {
  return graph.values[static_cast<size_t>(value)].parameter->value;
}

// What survives of each axis that loses channels.
Keep survivors(const Graph& graph, const Coupling& coupling, const std::set<int>& gone) {
  AxisTable<std::vector<int>> removed;
  for (const int u : gone) {
    require(u >= 0 && u < static_cast<int>(coupling.units.size()), "prune: unit ", u,
            " does not exist, there are ", coupling.units.size());
    for (const Channel& channel : coupling.units[static_cast<size_t>(u)].channels) {
      removed[channel.axis].push_back(channel.index);
    }
  }
  Keep keep;
  removed.for_each([&](Axis axis, const std::vector<int>& indices) {
    if (indices.empty()) return;
    std::vector<bool> stays(static_cast<size_t>(coupling.widths.at(axis)), true);
    for (const int i : indices) stays[static_cast<size_t>(i)] = false;
    std::vector<int> kept;
    for (size_t i = 0; i < stays.size(); ++i) {
      if (stays[i]) kept.push_back(static_cast<int>(i));
    }
    require(!kept.empty(), "prune: nothing would be left of ", axis_name(graph, axis));
    keep.set(axis, std::move(kept));
  });
  return keep;
}

void require_balance(const Graph& graph, const Coupling& coupling, const Keep& keep) {
  for (const Balance& balance : coupling.balances) {
    const std::vector<int>* kept = keep.find(balance.axis);
    if (kept == nullptr) continue;
    const int block = coupling.widths.at(balance.axis) / balance.groups;
    std::vector<int> counts(static_cast<size_t>(balance.groups), 0);
    for (const int i : *kept) ++counts[static_cast<size_t>(i / block)];
    const int most = *std::max_element(counts.begin(), counts.end());
    require(std::all_of(counts.begin(), counts.end(), [&](int n) { return n == most || n == 0; }),
            "prune: ", axis_name(graph, balance.axis), " is read in ", balance.groups,
            " groups, which would keep ", counts, " channels, should be equal or none");
  }
}

// A parameter's axis and what is kept of it. The input axis of a grouped convolution is numbered
// through all blocks but stored once: `blocks` is then more than 1, and which list applies depends
// on the block in which the filter (axis 0) stands.
struct Cut {
  int blocks = 1;
  std::vector<std::vector<int>> kept;  // per block, as stored
};

Cut cut_of(Axis axis, int stored, const Coupling& coupling, const Keep& keep) {
  Cut cut;
  const std::vector<int>* kept = keep.find(axis);
  if (kept == nullptr) {
    cut.kept.emplace_back(static_cast<size_t>(stored));
    std::iota(cut.kept[0].begin(), cut.kept[0].end(), 0);
    return cut;
  }
  cut.blocks = coupling.widths.at(axis) / stored;
  cut.kept.resize(static_cast<size_t>(cut.blocks));
  for (const int i : *kept) cut.kept[static_cast<size_t>(i / stored)].push_back(i % stored);
  return cut;
}

Shape cut_shape(const Shape& shape, int value, const Keep& keep) {
  Shape result = shape;
  for (int a = 0; a < static_cast<int>(shape.size()); ++a) {
    const std::vector<int>* kept = keep.find({value, a});
    if (kept == nullptr) continue;
    int& size = result[static_cast<size_t>(a)];
    int blocks = 0, last = -1;  // that a channel is left of
    for (const int i : *kept) {
      blocks += i / size != last ? 1 : 0;
      last = i / size;
    }
    size = static_cast<int>(kept->size()) / blocks;
  }
  return result;
}

// The operations and shapes of the pruned graph: all of it but the numbers.
struct Plan {
  Keep keep;
  std::vector<OpPtr> ops;
  std::vector<Shape> shapes;
};

Plan plan(const Graph& graph, const Coupling& coupling, const std::set<int>& gone) {
  Plan plan{.keep = survivors(graph, coupling, gone), .ops = {}, .shapes = graph.shapes()};
  require_balance(graph, coupling, plan.keep);
  const std::vector<Shape> before = plan.shapes;
  for (size_t v = 0; v < before.size(); ++v) {
    if (!graph.values[v].parameter) continue;
    plan.shapes[v] = cut_shape(before[v], static_cast<int>(v), plan.keep);
  }
  for (const Node& node : graph.nodes) {
    OpPtr op = node.op->shrunk(node, before, plan.keep);
    if (op == nullptr) op = node.op;
    std::vector<Shape> in;
    for (const int v : node.in) in.push_back(plan.shapes[static_cast<size_t>(v)]);
    plan.shapes[static_cast<size_t>(node.out)] = op->infer(in);
    plan.ops.push_back(std::move(op));
  }
  return plan;
}

// Zeroes the entries of a parameter that belong to the channel.
void zero_channel(const Tensor& w, const Channel& channel, int width) {
  const int axis = channel.axis.axis, stored = w.dim(axis);
  const int blocks = width / stored, block = channel.index / stored;
  const size_t index = static_cast<size_t>(channel.index % stored);
  size_t inner = 1;
  for (int a = axis + 1; a < w.rank(); ++a) inner *= static_cast<size_t>(w.dim(a));
  const size_t period = inner * static_cast<size_t>(stored), outer = w.size() / period;
  const size_t share = outer / static_cast<size_t>(blocks);  // grouped: the filters of one block
  const size_t begin = share * static_cast<size_t>(block);
  for (size_t i = begin; i < begin + share; ++i) {
    std::fill_n(w.data() + i * period + index * inner, inner, Scalar{0});
  }
}

}  // namespace

Tensor cut(const Tensor& tensor, int value, const Coupling& coupling, const Keep& keep) {
  const Shape& shape = tensor.shape();
  const int rank = tensor.rank(), last = rank - 1;
  std::vector<Cut> cuts;
  cuts.reserve(static_cast<size_t>(rank));
  for (int a = 0; a < rank; ++a) {
    cuts.push_back(cut_of({value, a}, tensor.dim(a), coupling, keep));
  }
  Tensor result = Tensor::uninitialized(cut_shape(shape, value, keep));
  const Cut& inner = cuts.back();
  const auto kept_of = [](const Cut& c) -> const std::vector<int>& { return c.kept[0]; };
  std::vector<size_t> position(static_cast<size_t>(rank), 0);  // among the survivors
  Scalar* to = result.data();
  for (Scalar* const end = to + result.size(); to != end;) {
    size_t from = 0;
    for (int a = 0; a < last; ++a) {
      const size_t i = static_cast<size_t>(a);
      from =
          from * static_cast<size_t>(shape[i]) + static_cast<size_t>(kept_of(cuts[i])[position[i]]);
    }
    const int filter = rank > 1 ? kept_of(cuts[0])[position[0]] : 0;
    const int block = rank > 1 ? filter / (shape[0] / inner.blocks) : 0;
    const Scalar* row =
        tensor.data() + from * static_cast<size_t>(shape[static_cast<size_t>(last)]);
    for (const int i : inner.kept[static_cast<size_t>(block)]) *to++ = row[i];
    for (int a = last - 1; a >= 0; --a) {  // the next row, as an odometer counts
      const size_t i = static_cast<size_t>(a);
      if (++position[i] < kept_of(cuts[i]).size()) break;
      position[i] = 0;
    }
  }
  return result;
}

Graph prune(const Graph& graph, const Coupling& coupling, const std::set<int>& gone, Keep* kept) {
  Plan planned = plan(graph, coupling, gone);
  Graph small;
  small.input = graph.input;
  small.output = graph.output;
  small.info = graph.info;
  for (size_t v = 0; v < graph.values.size(); ++v) {
    Graph::Value& value =
        small.values.emplace_back(Graph::Value{.shape = planned.shapes[v], .parameter = nullptr});
    const Parameter* p = graph.values[v].parameter.get();
    if (p == nullptr) continue;
    value.parameter = std::make_unique<Parameter>(
        Parameter{.name = p->name,
                  .value = cut(p->value, static_cast<int>(v), coupling, planned.keep),
                  .grad = {},
                  .trainable = p->trainable});
  }
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    small.nodes.push_back({.op = std::move(planned.ops[n]), .in = node.in, .out = node.out});
  }
  small.infer_shapes(graph.input_shape());
  if (kept != nullptr) *kept = std::move(planned.keep);
  return small;
}

Cost pruned_cost(const Graph& graph, const Coupling& coupling, const std::set<int>& gone) {
  const Plan planned = plan(graph, coupling, gone);
  Cost cost;
  for (size_t v = 0; v < graph.values.size(); ++v) {
    const Parameter* p = graph.values[v].parameter.get();
    if (p == nullptr || !p->trainable) continue;
    cost.params += static_cast<int64_t>(element_count(planned.shapes[v]));
  }
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    std::vector<Shape> in;
    for (const int v : node.in) in.push_back(planned.shapes[static_cast<size_t>(v)]);
    const Shape& out = planned.shapes[static_cast<size_t>(node.out)];
    cost.macs += planned.ops[n]->macs(in, out);
    cost.activation_bytes += static_cast<int64_t>(element_count(out) * sizeof(float));
  }
  return cost;
}

Graph masked(const Graph& graph, const Coupling& coupling, const std::set<int>& gone) {
  survivors(graph, coupling, gone);  // checks
  Graph zeroed = graph;
  for (const int u : gone) {
    for (const Channel& channel : coupling.units[static_cast<size_t>(u)].channels) {
      const int v = channel.axis.value;
      if (!graph.values[static_cast<size_t>(v)].parameter) continue;
      zero_channel(parameter_value(zeroed, v), channel, coupling.widths.at(channel.axis));
    }
  }
  return zeroed;
}

}  // namespace bonsai
