#include "compress/solution.h"

#include <cmath>
#include <variant>

namespace bonsai {
namespace {

Tensor& parameter(Graph& graph, int value) {
  return graph.values[static_cast<size_t>(value)].parameter->value;
}

void write_weights(const RegressionFit& fit, const Mixer& mixer, int block,
                   const std::vector<double>& scales, Graph& graph) {
  const int outputs = mixer.block_out(), first = block * outputs;
  const Tensor& w = parameter(graph, mixer.w);
  for (int o = 0; o < outputs; ++o) {
    const double scale = scales[static_cast<size_t>(first + o)];
    if (scale == 0) continue;
    const size_t row = static_cast<size_t>(first + o) * static_cast<size_t>(mixer.columns());
    for (size_t i = 0; i < fit.columns.size(); ++i) {
      Scalar& weight = w[row + static_cast<size_t>(fit.columns[i])];
      const double change = fit.change[i * static_cast<size_t>(outputs) + static_cast<size_t>(o)];
      weight = static_cast<Scalar>(double{weight} + change / scale);
    }
  }
}

void write_constant(const RegressionFit& fit, const Mixer& mixer, int block,
                    const std::vector<double>& scales, Graph& graph) {
  const int outputs = mixer.block_out(), first = block * outputs;
  for (int o = 0; o < outputs; ++o) {
    const auto i = static_cast<size_t>(o), channel = static_cast<size_t>(first + o);
    const double scale = scales[channel];
    if (scale == 0) continue;
    if (mixer.norm < 0) {
      if (mixer.bias < 0) continue;
      Scalar& bias = parameter(graph, mixer.bias)[channel];
      bias = static_cast<Scalar>(double{bias} + fit.intercept[i]);
      continue;
    }
    const Node& norm = graph.nodes[static_cast<size_t>(mixer.norm)];
    const double eps = std::get<double>(norm.op->attributes().at("eps"));
    Scalar &gamma = parameter(graph, norm.in[1])[channel],
           &beta = parameter(graph, norm.in[2])[channel],
           &mean = parameter(graph, norm.in[3])[channel],
           &var = parameter(graph, norm.in[4])[channel];
    const double bias = mixer.bias >= 0 ? double{parameter(graph, mixer.bias)[channel]} : 0;
    const double new_mean = fit.mean[i] / scale + bias;
    const double new_var = fit.variance[i] / (scale * scale);
    beta = static_cast<Scalar>(double{beta} + scale * (new_mean - double{mean}) + fit.intercept[i]);
    gamma = static_cast<Scalar>(scale * std::sqrt(new_var + eps));
    mean = static_cast<Scalar>(new_mean);
    var = static_cast<Scalar>(new_var);
  }
}

}  // namespace

void write_solution(const RegressionFit& fit, const Mixer& mixer, int block,
                    const std::vector<double>& scales, Graph& graph) {
  write_weights(fit, mixer, block, scales, graph);
  write_constant(fit, mixer, block, scales, graph);
}

}  // namespace bonsai
