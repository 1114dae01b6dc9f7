// A penalty on whole units: all that makes and reads a channel, over all layers that are tied to
// it, shrinks together, so that networks with residual or dense connections come apart as plain
// ones do: Fang et al. 2023, "DepGraph: Towards Any Structural Pruning", arXiv:2301.12900, section
// 3.3. With I the sum of the squares of a unit's weights, the norm that is compared is n = sqrt(I):
//   penalty = strength / 2 * sum over the units of f I,
//   f = 2^(4 (max n - n) / (max n - min n)), max and min over the unit's group.
// The weakest unit of a group decays 16 times as fast as the strongest; the factors count as
// constants. Nothing becomes exactly zero, weak units only ever weaker.
#pragma once

#include <vector>

#include "compress/couple.h"
#include "layers/penalty.h"

namespace bonsai {

// Where the trainable numbers of units lie: axes of parameters, each with the unit that every
// channel belongs to.
struct UnitWeights {
  struct Part {
    int value;               // of the graph; a parameter
    int axis, width;         // for for_each_channel_run
    std::vector<int> units;  // per channel; -1: of none
  };
  std::vector<Part> parts;
};
UnitWeights unit_weights(const Graph& graph, const Coupling& coupling);

// n per unit.
std::vector<double> unit_norms(const Graph& graph, const Coupling& coupling,
                               const UnitWeights& weights);

class GroupSparsity : public Penalty {
 public:
  // The graph is the one that is trained; it must outlive this. Throws Error when no unit can be
  // removed or the strength is negative.
  GroupSparsity(Graph& graph, float strength);

  void add_to_gradients() override;
  RunIdentity identity() const override;

 private:
  Graph& graph_;
  Coupling coupling_;
  UnitWeights weights_;
  float strength_;
};

}  // namespace bonsai
