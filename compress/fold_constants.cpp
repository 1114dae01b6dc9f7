#include "compress/fold_constants.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "compress/sites.h"
#include "engine/error.h"

namespace bonsai {
namespace {

// Walks the graph once, node by node, on a picture of zeros in which the channels that go hold
// their constants; each reading layer is mended when it is met, so that later ones see it mended.
class Folder {
 public:
  Folder(const Graph& graph, const Coupling& coupling, const std::set<int>& gone)
      : result_{.graph = graph}, readers_(consumers(graph)), sites_(sites(graph, coupling)) {
    for (const int u : gone) {
      for (const Channel& channel : coupling.units[static_cast<size_t>(u)].channels) {
        gone_[channel.axis].push_back(channel.index);
      }
    }
    for (size_t p = 0; p < coupling.producers.size(); ++p) {
      producer_of_node_[coupling.producers[p].node] = p;
    }
  }

  FoldedConstants run() {
    Graph& graph = result_.graph;
    values_.resize(graph.values.size());
    values_[static_cast<size_t>(graph.input)] = Tensor(graph.input_shape());
    for (size_t n = 0; n < graph.nodes.size(); ++n) {
      const auto producer = producer_of_node_.find(static_cast<int>(n));
      if (producer != producer_of_node_.end()) mend(n, producer->second);
      const Node& node = graph.nodes[n];
      Tensor& out = values_[static_cast<size_t>(node.out)];
      out = Tensor(graph.values[static_cast<size_t>(node.out)].shape);
      node.op->forward(inputs(node), out, {});
      if (producer != producer_of_node_.end()) hold(n, producer->second);
    }
    return std::move(result_);
  }

 private:
  Tensor& parameter(int value) {
    return result_.graph.values[static_cast<size_t>(value)].parameter->value;
  }

  std::vector<Tensor> inputs(const Node& node) const {
    std::vector<Tensor> in;
    for (const int v : node.in) {
      const Graph::Value& value = result_.graph.values[static_cast<size_t>(v)];
      in.push_back(value.parameter ? value.parameter->value : values_[static_cast<size_t>(v)]);
    }
    return in;
  }

  // Of an activation's channels; null when none of them goes.
  const std::vector<int>* gone_of(int value) const {
    const int rank =
        static_cast<int>(result_.graph.values[static_cast<size_t>(value)].shape.size());
    const auto entry = gone_.find({value, rank - 1});
    return entry == gone_.end() ? nullptr : &entry->second;
  }

  void require_layer(size_t n) const {
    const std::string_view op = result_.graph.nodes[n].op->name();
    require(op == "conv2d" || op == "linear", "fold_constants: ", result_.graph.node_name(n),
            " is a ", op, ", should be a convolution or a linear layer to give or take constants");
  }

  // Sets what the producer makes of channels that go to their constants.
  void hold(size_t n, size_t producer) {
    const Node& node = result_.graph.nodes[n];
    const std::vector<int>* channels = gone_of(node.out);
    if (channels == nullptr) return;
    require_layer(n);
    const Tensor& out = values_[static_cast<size_t>(node.out)];
    for (const int c : *channels) {
      const size_t width = static_cast<size_t>(out.dim(-1));
      const Scalar constant = constant_of(node, producer, static_cast<size_t>(c));
      for (size_t i = static_cast<size_t>(c); i < out.size(); i += width) out[i] = constant;
    }
  }

  Scalar constant_of(const Node& node, size_t producer, size_t channel) {
    const Tensor& w = parameter(node.in[1]);
    const size_t length = w.size() / static_cast<size_t>(w.dim(0));
    const Scalar* filter = w.data() + channel * length;
    const bool dead = std::all_of(filter, filter + length, [](Scalar x) { return x == 0; });
    const int norm = sites_[producer].norm;
    if (norm >= 0 && !dead) {
      return parameter(result_.graph.nodes[static_cast<size_t>(norm)].in[3])[channel];
    }
    return node.in.size() > 2 ? parameter(node.in[2])[channel] : Scalar{0};
  }

  // Gives the layer the constants of the channels that it will not read any more.
  void mend(size_t n, size_t producer) {
    const Node& node = result_.graph.nodes[n];
    const std::vector<int>* channels = gone_of(node.in[0]);
    if (channels == nullptr) return;
    require_layer(n);
    const Tensor map = seen(node, *channels);
    const size_t width = static_cast<size_t>(map.dim(-1));
    size_t centre = 0;
    if (map.rank() == 4) {
      const size_t h = static_cast<size_t>(map.dim(1)), w = static_cast<size_t>(map.dim(2));
      centre = (h / 2 * w + w / 2) * width;
    }
    std::vector<Scalar> constants(map.data() + centre, map.data() + centre + width);
    std::vector<bool> goes(width, false);
    if (const std::vector<int>* own = gone_of(node.out)) {
      for (const int o : *own) goes[static_cast<size_t>(o)] = true;
    }
    for (size_t i = 0; i < map.size(); ++i) {
      const size_t o = i % width;
      if (goes[o]) continue;
      const double off = std::abs(double{map[i]} - double{constants[o]});
      result_.border_error = std::max(result_.border_error, off);
    }
    for (size_t o = 0; o < width; ++o) {
      if (goes[o]) constants[o] = 0;
      result_.largest = std::max(result_.largest, std::abs(double{constants[o]}));
    }
    take_over(n, sites_[producer].norm, constants);
  }

  // What the layer makes of these channels alone, without its bias.
  Tensor seen(const Node& node, const std::vector<int>& channels) {
    const Tensor& held = values_[static_cast<size_t>(node.in[0])];
    Tensor x(held.shape());
    for (const int c : channels) {
      const size_t width = static_cast<size_t>(x.dim(-1));
      for (size_t i = static_cast<size_t>(c); i < x.size(); i += width) x[i] = held[i];
    }
    Tensor map(result_.graph.values[static_cast<size_t>(node.out)].shape);
    node.op->forward(std::vector{x, parameter(node.in[1])}, map, {});
    return map;
  }

  void take_over(size_t n, int norm, std::span<const Scalar> constants) {
    Graph& graph = result_.graph;
    const bool in_mean = norm >= 0;
    int target;
    if (in_mean) {
      target = graph.nodes[static_cast<size_t>(norm)].in[3];
    } else {
      target = graph.nodes[n].in.size() > 2 ? graph.nodes[n].in[2] : add_bias(n);
    }
    const Tensor& numbers = parameter(target);
    require(readers_[static_cast<size_t>(target)].size() == 1,
            "fold_constants: ", graph.values[static_cast<size_t>(target)].parameter->name,
            " is used more than once and cannot take over the constants of one use");
    for (size_t o = 0; o < constants.size(); ++o) {
      numbers[o] += in_mean ? -constants[o] : constants[o];
    }
  }

  int add_bias(size_t n) {
    Graph& graph = result_.graph;
    const Parameter& weights = *graph.values[static_cast<size_t>(graph.nodes[n].in[1])].parameter;
    const std::string path = weights.name.substr(0, weights.name.rfind('.') + 1);
    std::string name = path + "bias";
    while (graph.find(name) != nullptr) name += "_folded";
    const Shape shape = {weights.value.dim(0)};
    graph.values.push_back({.shape = shape,
                            .parameter = std::make_unique<Parameter>(
                                Parameter{.name = std::move(name), .value = Tensor(shape)})});
    readers_.push_back({static_cast<int>(n)});
    values_.emplace_back();
    const int value = static_cast<int>(graph.values.size()) - 1;
    graph.nodes[n].in.push_back(value);
    return value;
  }

  FoldedConstants result_;
  std::vector<std::vector<int>> readers_;  // per value
  std::vector<Site> sites_;                // per producer
  std::map<Axis, std::vector<int>> gone_;
  std::map<int, size_t> producer_of_node_;
  std::vector<Tensor> values_;  // of activations so far
};

}  // namespace

FoldedConstants fold_constants(const Graph& graph, const Coupling& coupling,
                               const std::set<int>& gone) {
  return Folder(graph, coupling, gone).run();
}

}  // namespace bonsai
