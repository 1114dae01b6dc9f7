// A factor per residual block, y = x + s f(x), which a training drives to zero where the block is
// not needed (Huang and Wang 2018, arXiv:1707.01213, section 3.2, "blocks"; the training:
// compress/structure_selection.h). Each is a channel_scale behind the last layer of f, whose
// numbers are one factor. A block whose factor is zero goes, the factors of the others are folded
// away.
#pragma once

#include <string>
#include <vector>

#include "compress/structure_selection.h"
#include "engine/graph.h"

namespace bonsai {

// The same function, with a factor of 1, "<layer>.scale" [C], in each removable block
// (compress/blocks.h) whose f ends in a layer that the factor can be folded into. Throws Error when
// there is no such block.
Graph with_block_scales(const Graph& graph);

// Named as Block::name, in order of execution. All numbers of a tensor are the block's factor.
std::vector<Structure> block_scales(Graph& graph);

// Without the blocks of these names, and without factors.
Graph without_blocks(const Graph& graph, const std::vector<std::string>& blocks);

}  // namespace bonsai
