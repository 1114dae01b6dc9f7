// Removes units from a graph. Every parameter is cut along every axis that lost channels,
// operations that number channels are made anew (Op::shrunk), and all shapes are inferred again.
// There is no code per layer: what must go is in the coupling.
//
// Whether this is right can be seen from outside. masked() sets all numbers that belong to the
// units to zero instead; since batch norm's beta is among them, the channels are exactly zero
// from there on, and both networks must compute the same function. Removing a filter whose channel
// would have been a constant other than zero (beta) changes the network, which fine-tuning repairs.
#pragma once

#include <set>

#include "compress/couple.h"
#include "engine/cost.h"

namespace bonsai {

// A pruned copy; values and nodes keep their numbers. `kept`, if wanted, receives what survived,
// in terms of `graph`. Throws Error, before anything is built, when an axis would be left empty or
// the groups of a convolution unequal.
Graph prune(const Graph& graph, const Coupling& coupling, const std::set<int>& gone,
            Keep* kept = nullptr);

// The surviving part of a tensor that has the shape of parameter `value` of the original graph,
// such as its momentum.
Tensor cut(const Tensor& tensor, int value, const Coupling& coupling, const Keep& keep);

// What the pruned graph would cost, from shapes alone: nothing is copied.
Cost pruned_cost(const Graph& graph, const Coupling& coupling, const std::set<int>& gone);

// A copy of the same shapes with zeros in place of the units.
Graph masked(const Graph& graph, const Coupling& coupling, const std::set<int>& gone);

}  // namespace bonsai
