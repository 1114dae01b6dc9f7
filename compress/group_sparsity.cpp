#include "compress/group_sparsity.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "engine/channel_runs.h"
#include "engine/error.h"

namespace bonsai {
namespace {

constexpr double steepness = 4;  // the paper's alpha

const Parameter& parameter_of(const Graph& graph, const UnitWeights::Part& part) {
  return *graph.values[static_cast<size_t>(part.value)].parameter;
}

// f per unit.
std::vector<double> factors(const Coupling& coupling, const std::vector<double>& norms) {
  std::vector<double> all(norms.size(), 1);
  for (const Group& group : coupling.groups) {
    const auto norm = [&](int u) { return norms[static_cast<size_t>(u)]; };
    const auto by_norm = [&](int a, int b) { return norm(a) < norm(b); };
    const auto [low, high] = std::minmax_element(group.units.begin(), group.units.end(), by_norm);
    const double least = norm(*low), most = norm(*high);
    if (most <= least) continue;  // all alike
    for (const int u : group.units) {
      all[static_cast<size_t>(u)] = std::exp2(steepness * (most - norm(u)) / (most - least));
    }
  }
  return all;
}

}  // namespace

UnitWeights unit_weights(const Graph& graph, const Coupling& coupling) {
  std::map<Axis, std::vector<int>> axes;
  for (size_t u = 0; u < coupling.units.size(); ++u) {
    for (const Channel& channel : coupling.units[u].channels) {
      const auto& parameter = graph.values[static_cast<size_t>(channel.axis.value)].parameter;
      if (!parameter || !parameter->trainable) continue;
      std::vector<int>& units = axes[channel.axis];
      units.resize(static_cast<size_t>(coupling.widths.at(channel.axis)), -1);
      units[static_cast<size_t>(channel.index)] = static_cast<int>(u);
    }
  }
  UnitWeights weights;
  for (auto& [axis, units] : axes) {
    const int width = static_cast<int>(units.size());
    weights.parts.push_back(
        {.value = axis.value, .axis = axis.axis, .width = width, .units = std::move(units)});
  }
  return weights;
}

std::vector<double> unit_norms(const Graph& graph, const Coupling& coupling,
                               const UnitWeights& weights) {
  std::vector<double> norms(coupling.units.size(), 0);
  for (const UnitWeights::Part& part : weights.parts) {
    const Tensor& w = parameter_of(graph, part).value;
    for_each_channel_run(w, part.axis, part.width, [&](size_t c, size_t begin, size_t length) {
      if (part.units[c] < 0) return;
      double sum = 0;
      for (size_t i = begin; i < begin + length; ++i) sum += double{w[i]} * double{w[i]};
      norms[static_cast<size_t>(part.units[c])] += sum;
    });
  }
  for (double& norm : norms) norm = std::sqrt(norm);
  return norms;
}

GroupSparsity::GroupSparsity(Graph& graph, float strength)
    : graph_(graph),
      coupling_(couple(graph)),
      weights_(unit_weights(graph, coupling_)),
      strength_(strength) {
  require(!coupling_.units.empty(), "group sparsity: no channel of the network can be removed");
  require(strength >= 0 && std::isfinite(strength), "group sparsity: the strength is ", strength,
          ", should not be negative");
}

void GroupSparsity::add_to_gradients() {
  const std::vector<double> factor = factors(coupling_, unit_norms(graph_, coupling_, weights_));
  for (const UnitWeights::Part& part : weights_.parts) {
    const Parameter& p = parameter_of(graph_, part);
    if (!p.grad.defined()) continue;
    for_each_channel_run(
        p.value, part.axis, part.width, [&](size_t c, size_t begin, size_t length) {
          if (part.units[c] < 0) return;
          const auto decay =
              static_cast<Scalar>(double{strength_} * factor[static_cast<size_t>(part.units[c])]);
          for (size_t i = begin; i < begin + length; ++i) {
            p.grad[i] += decay * p.value[i];
          }
        });
  }
}

RunIdentity GroupSparsity::identity() const {
  return {{"penalty", "group"}, {"strength of the penalty", join(strength_)}};
}

}  // namespace bonsai
