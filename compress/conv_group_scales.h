// A factor per group of a grouped convolution, which a training drives to zero where the group is
// not needed (Huang and Wang 2018, arXiv:1707.01213, section 3.2, "groups", which they take out of
// ResNeXt; the training: compress/structure_selection.h). Each is the share of a group in a
// channel_scale behind the convolution, or behind the batch norm that alone reads it. A group goes
// with all channels that it reads and makes; the convolution has fewer groups then.
#pragma once

#include <string>
#include <vector>

#include "compress/structure_selection.h"
#include "engine/graph.h"

namespace bonsai {

// The same function, with factors of 1, "<layer>.scale" [C], behind each grouped convolution whose
// groups can go: what a group reads nothing else reads, what it makes nothing else adds to (nor a
// batch norm behind a permutation), and other grouped convolutions stay even without it. Depthwise
// convolutions are none: their groups are channels. Throws Error when there is no such convolution.
Graph with_conv_group_scales(const Graph& graph);

// "group 3 of layer1.0.conv2" and so on, from 0, in order of execution.
std::vector<Structure> conv_group_scales(Graph& graph);

// Without the groups of these names, and without factors. Throws Error when there is no such group,
// and when nothing would be left of a convolution.
Graph without_conv_groups(const Graph& graph, const std::vector<std::string>& groups);

}  // namespace bonsai
