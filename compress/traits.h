// Traits of groups: what about a layer's place and activations may say why it bears pruning or
// does not.
#pragma once

#include <span>
#include <vector>

#include "compress/couple.h"
#include "data/loader.h"

namespace bonsai {

struct GroupTraits {
  int channels = 0;             // of the value that stands for the group, see below
  int effective_rank = 0;       // of its activations, at 99 % of their variance
  int layers = 0;               // that write onto its channels
  int readers = 0;              // layers that read them
  bool stage_boundary = false;  // the map's size changes in these layers or between them
};

// Per group. The value that stands for a group is the last result of an activation (relu and the
// like) that carries all of its channels and no others, or its last layer's site.
std::vector<GroupTraits> traits_of_groups(const Graph& graph, const Coupling& coupling,
                                          std::span<const Batch> pictures);

}  // namespace bonsai
