#include "compress/mixer.h"

#include <algorithm>
#include <cmath>
#include <variant>

#include "engine/error.h"
#include "engine/kernels/activation.h"

namespace bonsai {
namespace {

int integer(const Attributes& attributes, const std::string& name) {
  return static_cast<int>(std::get<int64_t>(attributes.at(name)));
}

const Shape& shape_of(const Graph& graph, int value) {
  return graph.values[static_cast<size_t>(value)].shape;
}

const Tensor& parameter(const Graph& graph, int value) {
  return graph.values[static_cast<size_t>(value)].parameter->value;
}

Mixer convolution(const Graph& graph, const Node& node) {
  const Attributes attributes = node.op->attributes();
  const Shape &x = shape_of(graph, node.in[0]), &w = shape_of(graph, node.in[1]),
              &y = shape_of(graph, node.out);
  return {.kh = w[1],
          .kw = w[2],
          .stride = integer(attributes, "stride"),
          .padding = integer(attributes, "padding"),
          .dilation = integer(attributes, "dilation"),
          .groups = integer(attributes, "groups"),
          .in = x[3],
          .out = w[0],
          .in_h = x[1],
          .in_w = x[2],
          .positions = y[1] * y[2],
          .position_w = y[2]};
}

int only_reader(const std::vector<std::vector<int>>& readers, const Graph& graph, int value) {
  const std::vector<int>& list = readers[static_cast<size_t>(value)];
  return list.size() == 1 && value != graph.output ? list[0] : -1;
}

std::string_view op_name(const Graph& graph, int node) {
  return graph.nodes[static_cast<size_t>(node)].op->name();
}

// -1: an input of the network or a parameter.
int maker(const Graph& graph, int value) {
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    if (graph.nodes[n].out == value) return static_cast<int>(n);
  }
  return -1;
}

}  // namespace

std::vector<Mixer> mixers(const Graph& graph) {
  const auto readers = consumers(graph);
  std::vector<Mixer> all;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    const std::string_view op = node.op->name();
    if (op != "conv2d" && op != "linear") continue;
    Mixer mixer;
    if (op == "conv2d") {
      mixer = convolution(graph, node);
      if (mixer.groups > 1 && mixer.block_in() == 1) continue;  // depthwise: nothing is mixed
    } else {
      mixer.in = shape_of(graph, node.in[1])[1];
      mixer.out = shape_of(graph, node.in[1])[0];
    }
    mixer.node = static_cast<int>(n);
    mixer.x = node.in[0];
    mixer.w = node.in[1];
    mixer.y = node.out;
    if (node.in.size() == 3) mixer.bias = node.in[2];
    require(readers[static_cast<size_t>(mixer.w)].size() == 1, "reconstruct: the weights of ",
            graph.node_name(n), " are shared by several layers, should be one layer's own");
    require(node.op->with_activation({.kind = Activation::relu}) != nullptr,
            "reconstruct: ", graph.node_name(n),
            " has its activation fused, should be a network as trained");
    const int reader = only_reader(readers, graph, mixer.y);
    if (reader >= 0 && op_name(graph, reader) == "batch_norm") mixer.norm = reader;
    all.push_back(mixer);
  }
  return all;
}

std::vector<double> output_scales(const Graph& graph, const Mixer& mixer) {
  std::vector<double> scales(static_cast<size_t>(mixer.out), 1);
  if (mixer.norm < 0) return scales;
  const Node& norm = graph.nodes[static_cast<size_t>(mixer.norm)];
  const Tensor &gamma = parameter(graph, norm.in[1]), &var = parameter(graph, norm.in[4]);
  const double eps = std::get<double>(norm.op->attributes().at("eps"));
  for (size_t o = 0; o < scales.size(); ++o) {
    scales[o] = double{gamma[o]} / std::sqrt(double{var[o]} + eps);
  }
  return scales;
}

std::vector<double> output_offsets(const Graph& graph, const Mixer& mixer) {
  std::vector<double> offsets(static_cast<size_t>(mixer.out));
  if (mixer.bias >= 0) {
    const Tensor& b = parameter(graph, mixer.bias);
    for (size_t o = 0; o < offsets.size(); ++o) offsets[o] = double{b[o]};
  }
  if (mixer.norm < 0) return offsets;
  const Node& norm = graph.nodes[static_cast<size_t>(mixer.norm)];
  const Tensor &beta = parameter(graph, norm.in[2]), &mean = parameter(graph, norm.in[3]);
  const std::vector<double> scales = output_scales(graph, mixer);
  for (size_t o = 0; o < offsets.size(); ++o) {
    offsets[o] = double{beta[o]} + scales[o] * (offsets[o] - double{mean[o]});
  }
  return offsets;
}

int earlier_operand(const Graph& graph, const Mixer& mixer) {
  const auto readers = consumers(graph);
  const int last = mixer.norm >= 0 ? mixer.norm : mixer.node;
  const int value = graph.nodes[static_cast<size_t>(last)].out;
  const int reader = only_reader(readers, graph, value);
  if (reader < 0 || op_name(graph, reader) != "add") return -1;
  const std::vector<int>& operands = graph.nodes[static_cast<size_t>(reader)].in;
  const int other = operands[0] == value ? operands[1] : operands[0];
  return other != value && maker(graph, other) < last ? other : -1;
}

void copy_patch(const Mixer& mixer, int block, const Scalar* x, int position, Scalar* patch) {
  const int channels = mixer.block_in();
  const int top = position / mixer.position_w * mixer.stride - mixer.padding;
  const int left = position % mixer.position_w * mixer.stride - mixer.padding;
  for (int p = 0; p < mixer.kh; ++p) {
    for (int q = 0; q < mixer.kw; ++q, patch += channels) {
      const int row = top + p * mixer.dilation, column = left + q * mixer.dilation;
      if (row < 0 || row >= mixer.in_h || column < 0 || column >= mixer.in_w) {
        std::fill_n(patch, channels, Scalar{0});
        continue;
      }
      const int64_t pixel = int64_t{row} * mixer.in_w + column;
      std::copy_n(x + pixel * mixer.in + block * channels, channels, patch);
    }
  }
}

}  // namespace bonsai
