// Which channels of a graph can be removed, and what must go with each.
//
// A channel cannot be taken out of one tensor alone. The filter that makes it, its bias, the four
// numbers that batch norm keeps of it, the weights with which every later layer reads it, and on
// the far side of an addition the channel that it is added to: all of them go, or none. Nothing
// here knows what a residual block or a shuffle is. Each operation only states which channels of
// its inputs, parameters and output live and die together (Op::ties); a union-find joins these
// statements, and every class that comes out is a Unit, unless the world outside reads it: the
// network's input channels and its results are pinned. An operation that does not know its ties
// refuses by name, since a guess would prune the wrong channels without a word.
//
// Units compete within a Group, which is what people call a layer. A group holds the channels that
// come out of the same producers: operations that mix their input channels into new ones (here
// the convolutions that are not depthwise, and the linear layers). Additions make groups larger:
// all blocks of a residual stage write onto the same channels, so they are one group with a dozen
// producers. Concatenation does not: each layer of a dense block stays a group of its own.
//
// A grouped convolution reads and writes equal blocks of channels. They must keep equal numbers,
// though not the same positions: a Balance. Tying the positions instead would chain all channels
// of a shuffled network into a single unit that cannot be removed.
//
// The same idea, found by tracing gradients instead of stated by operations, is the dependency
// graph of Fang et al. 2023, "DepGraph: Towards Any Structural Pruning".
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/graph.h"

namespace bonsai {

struct Unit {
  std::vector<Channel> channels;  // sorted; of activations and parameters alike
  int group = 0;
};

// A node whose output channels are not its input channels.
struct Producer {
  int node;
  Axis output;  // the channels that it makes
  // Tied to them one to one: its filters, its bias; of a sampler, the weights that read them.
  std::vector<Axis> parameters;
};

struct Group {
  std::string name;            // of its first producer: "features.0.conv"
  std::vector<int> units;      // in order
  std::vector<int> producers;  // positions in Coupling::producers, in order of execution
};

struct Coupling {
  std::vector<Unit> units;
  std::vector<Group> groups;  // in order of execution
  std::vector<Producer> producers;
  std::vector<Balance> balances;
  std::map<Axis, int> widths;  // of every axis that has channels, pinned ones included
};

// `samplers`: nodes that select channels for the convolution that alone reads them
// (compress/samplers.h). What they hand on are units of their own: when one goes, the list becomes
// shorter, and the channel that it named stays where it is.
Coupling couple(const Graph& graph, const std::set<int>& samplers = {});

// What stands at an axis, for errors: "conv1.weight" or "the output of conv1".
std::string axis_name(const Graph& graph, Axis axis);

}  // namespace bonsai
