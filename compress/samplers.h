// Samplers: a selection of channels in front of a convolution that reads what others read as well,
// such as the first of a residual branch, which reads its stage's sum. Through it the convolution
// loses input channels for itself alone, while the stage keeps its width (He, Zhang and Sun 2017,
// section 3.3, figure 5). In a session the convolution chooses by itself while it reads
// (engine/passes.h, fuse_selections), so that no chosen copy is written.
//
// A sampler is an ordinary selection (engine/ops/select.cpp), at first of all channels in order.
// Coupled apart (compress/couple.h), its outputs are units like others: widths are planned for
// them, the LASSO picks among them, and pruning one shortens the list and the convolution's
// kernel. Coupled as ever, each stands with the channel that it names, so that a sampled network
// can be pruned again in any other way.
//
// Reading fewer channels is not always quicker: choosing costs, and widths that do not fill vectors
// gain nothing. So each sampler is timed beside the layer that reads all, at the width that is
// planned for it, and where it is not quicker the layer goes without, before anything is cut: it
// keeps its weights as they are, and the others give what the aim still lacks.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "compress/couple.h"
#include "compress/graph_timer.h"

namespace bonsai {

// The convolutions, by name, that read channels which other layers read as well. Depthwise ones are
// not among them: their outputs are made of one channel each.
std::set<std::string> layers_that_share(const Graph& graph);

struct Sampled {
  Graph graph;             // computes what the original does; values keep their numbers
  std::set<int> samplers;  // nodes
};
// With samplers in front of these layers; a selection that stands there already becomes one.
Sampled with_samplers(const Graph& graph, const std::set<std::string>& layers);

// The groups whose channels samplers read: they keep all.
std::set<int> sampled_groups(const Sampled& sampled, const Coupling& coupling);

struct SampledLayer {
  std::string name;
  int channels = 0, kept = 0;     // of what it reads
  double ms = 0, sampled_ms = 0;  // alone, when it reads all, and when it chooses
  bool is_sampled() const { return kept < channels; }
};

struct SamplingPlan {
  Sampled sampled;
  Coupling coupling;                 // apart
  std::set<int> gone;                // units, as they were chosen
  std::vector<SampledLayer> layers;  // that were to choose, in order of execution
};

// `choose`: the units that go, which must leave sampled_groups() whole. Asked again without the
// samplers that are not quicker, until all are.
using UnitChoice = std::function<std::set<int>(const Sampled& sampled, const Coupling& coupling)>;
SamplingPlan plan_samplers(const Graph& graph, const UnitChoice& choose, const GraphTimer& timer);

// After pruning: without channels that no layer reads any more, unless the groups of a convolution
// would become unequal, and without selections of all channels in order. The numbers of values and
// nodes change.
Graph without_unread(const Graph& pruned);

}  // namespace bonsai
