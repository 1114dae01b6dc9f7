#include "compress/scale_sparsity.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/error.h"

namespace bonsai {

Scalar soft_threshold(Scalar x, Scalar threshold) {
  return std::copysign(std::max(std::abs(x) - threshold, Scalar{0}), x);
}

namespace {

std::vector<Parameter*> scales_of(Graph& graph, bool explicit_ones) {
  std::vector<Parameter*> scales;
  for (const Node& node : graph.nodes) {
    const bool wanted =
        node.op->name() == "batch_norm" || (explicit_ones && node.op->name() == "channel_scale");
    if (!wanted) continue;
    Parameter* p = graph.values[static_cast<size_t>(node.in[1])].parameter.get();
    const bool known = std::find(scales.begin(), scales.end(), p) != scales.end();
    if (p != nullptr && p->trainable && !known) scales.push_back(p);
  }
  return scales;
}

}  // namespace

std::vector<Parameter*> batch_norm_scales(Graph& graph) { return scales_of(graph, false); }
std::vector<Parameter*> channel_scales(Graph& graph) { return scales_of(graph, true); }

ScaleSparsity::ScaleSparsity(std::vector<Parameter*> scales, float strength, ScaleMethod method)
    : scales_(std::move(scales)), strength_(strength), method_(method) {
  require(!scales_.empty(), "scale sparsity: the network has no factors of channels");
  require(strength >= 0 && std::isfinite(strength), "scale sparsity: the strength is ", strength,
          ", should not be negative");
}

void ScaleSparsity::add_to_gradients() {
  if (method_ != ScaleMethod::subgradient) return;
  for (const Parameter* p : scales_) {
    if (!p->grad.defined()) continue;
    for (size_t i = 0; i < p->grad.size(); ++i) {
      const Scalar s = p->value[i];
      if (s != 0) p->grad[i] += std::copysign(static_cast<Scalar>(strength_), s);
    }
  }
}

void ScaleSparsity::after_update(float reach) {
  if (method_ != ScaleMethod::proximal) return;
  const Scalar threshold = static_cast<Scalar>(reach) * static_cast<Scalar>(strength_);
  for (const Parameter* p : scales_) {
    for (size_t i = 0; i < p->value.size(); ++i) {
      p->value[i] = soft_threshold(p->value[i], threshold);
    }
  }
}

RunIdentity ScaleSparsity::identity() const {
  return {{"penalty", method_ == ScaleMethod::proximal ? "l1, proximal" : "l1, subgradient"},
          {"strength of the penalty", join(strength_)}};
}

}  // namespace bonsai
