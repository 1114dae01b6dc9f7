// How far pruning can go at all, before any of it is done. Li et al. 2017 prune only the inner
// convolutions of residual blocks; what remains on the stages' own channels then bounds the gain,
// however much accuracy one is ready to give ("ResNet hardly speeds up"). Channels that several
// layers share can go as well, from all of them at once, and that bound is far higher.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "compress/couple.h"
#include "compress/layer_times.h"
#include "compress/network_cost.h"

namespace bonsai {

enum class PruningMode {
  inner,    // groups that one layer makes: inner convolutions, and all layers of a plain network
  coupled,  // also those that several layers share: the stages of a residual network
  blocks,   // also whole residual blocks (compress/blocks.h)
};
inline constexpr std::array<std::string_view, 3> mode_names = {"inner", "coupled", "blocks"};

bool may_shrink(const Group& group, PruningMode mode);

struct Ceiling {
  PruningMode mode = PruningMode::inner;
  int groups = 0;     // that may shrink
  int blocks = 0;     // that may go
  NetworkCost least;  // of the network whose groups are as narrow as they may get
};

// Of every mode. Groups keep one multiple of their rounding (compress/choose.h). Where channels of
// one group differ in cost (padded shortcuts), the first of them go, which are those that most
// layers share.
std::vector<Ceiling> ceilings(const Graph& graph, const Coupling& coupling, int round_to,
                              LayerTimes& times);

// Counted, and predicted.
NetworkCost network_cost(const Graph& graph, LayerTimes& times);

}  // namespace bonsai
