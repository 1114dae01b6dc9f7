// Sites: where in a graph the channels of units show themselves.
#pragma once

#include <vector>

#include "compress/couple.h"
#include "engine/kernels/activation.h"

namespace bonsai {

// Where the channels that one producer makes are complete: behind the batch norm that alone reads
// them, or at the producer's own result where there is none. Scaling a channel here by 0 is what
// removing it does.
struct Site {
  int value;
  int norm = -1;  // the batch norm's node
};
std::vector<Site> sites(const Graph& graph, const Coupling& coupling);  // per producer

// What the site's batch norm multiplies a channel by, gamma / sqrt(var + eps); 1 without one.
double scale_at(const Graph& graph, const Site& site, int channel);

// The results of activations of these kinds, in order of execution.
std::vector<int> activated(const Graph& graph, const std::vector<Activation::Kind>& kinds);

// What the factors of squeeze and excitation are: values that a channel_scale multiplies by and
// that are computed from the picture. In order of execution.
std::vector<int> gates(const Graph& graph);

// The value at a unit's channel is one of an activation's own: relu and its relatives. A sigmoid
// makes gates, not features.
const std::vector<Activation::Kind>& feature_activations();

}  // namespace bonsai
