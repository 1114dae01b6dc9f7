#include "compress/recalibrate.h"

#include <map>

#include "engine/error.h"
#include "engine/ops/registry.h"
#include "engine/passes.h"

namespace bonsai {
namespace {

constexpr size_t mean_input = 3, var_input = 4;

// A copy whose batch norms keep nothing of what they knew: after a pass in training mode their
// running statistics are those of the batch.
Graph forgetful(const Graph& graph) {
  Graph copy = drop_identities(graph);
  for (Node& node : copy.nodes) {
    if (node.op->name() != "batch_norm") continue;
    Attributes attributes = node.op->attributes();
    attributes["momentum"] = 1.0;
    node.op = make_op("batch_norm", attributes);
  }
  for (Parameter* p : copy.parameters()) p->trainable = false;  // nothing is kept for gradients
  return copy;
}

}  // namespace

void recalibrate(Graph& graph, std::span<const Batch> pictures) {
  require(!pictures.empty(), "recalibrate: there are no pictures");
  Graph copy = forgetful(graph);
  std::map<int, std::vector<double>> sums;  // by value number, of every running statistic
  for (const Node& node : copy.nodes) {
    if (node.op->name() != "batch_norm") continue;
    for (const size_t input : {mean_input, var_input}) sums[node.in[input]];
  }
  double images = 0;
  for (const Batch& batch : pictures) {
    const double n = batch.images.dim(0);
    Tape tape(Mode::training);
    copy.forward(tape.constant(batch.images)).value();
    for (auto& [value, sum] : sums) {
      const Tensor& statistic = copy.values[static_cast<size_t>(value)].parameter->value;
      sum.resize(statistic.size());
      for (size_t c = 0; c < sum.size(); ++c) sum[c] += n * double{statistic[c]};
    }
    images += n;
  }
  for (const auto& [value, sum] : sums) {
    const Tensor& statistic = graph.values[static_cast<size_t>(value)].parameter->value;
    for (size_t c = 0; c < sum.size(); ++c) statistic[c] = static_cast<Scalar>(sum[c] / images);
  }
}

}  // namespace bonsai
