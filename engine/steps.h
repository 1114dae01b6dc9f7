// Steps: how recorded nodes are computed. An operation that can go on with its only reader (Op::
// followed_by: batch norm, then an addition, then an activation) is one step with it, so that what
// lies between is neither written nor kept; every other node is a step of its own. A batch norm
// goes with the convolution behind it rather than with the one before. The nodes themselves stay as
// they were recorded, which is what graphs, files and pruning see.
#pragma once

#include <functional>
#include <set>
#include <span>
#include <vector>

#include "engine/op.h"

namespace bonsai {

struct TapeStep {
  OpPtr op{};
  std::vector<int> in{};
  int out = 0;
  std::vector<int> nodes{};  // the numbers of those in it, in order
};

// The steps of the nodes from number `first` on, in order. `is_visible` says which values others
// than those nodes may ask for; such a value is always the result of a step. `shape_of` a value:
// what would make another shape of a step's inputs is not taken into it.
std::vector<TapeStep> plan_steps(std::span<const Node> nodes, size_t first,
                                 const std::function<bool(int value)>& is_visible,
                                 const std::function<const Shape&(int value)>& shape_of);

// Which values need no memory of their own, being their inputs joined: the results of concats, when
// all that read them take parts, as in DenseNets (Huang et al. 2017).
std::set<int> plan_joined(std::span<const TapeStep> steps,
                          const std::function<bool(int value)>& is_visible);

}  // namespace bonsai
