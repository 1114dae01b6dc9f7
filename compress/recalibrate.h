// Recalibration of batch norm: a pruned network's layers see other inputs than before, and the
// running statistics that they normalise by are those of the network it came from. Estimated anew
// on pictures, they repair much of the damage without a single gradient (Li et al. 2020,
// "EagleEye: Fast Sub-net Evaluation for Efficient Neural Network Pruning", who judge pruned
// networks only after it).
#pragma once

#include <span>

#include "data/loader.h"
#include "engine/graph.h"

namespace bonsai {

// The running mean and variance of every batch norm become the averages, over the pictures, of
// those of their batches; nothing else changes. Layers behind a batch norm see what it makes of
// the batch, as in training, but dropout is off. Batches should hold a few dozen pictures. Throws
// Error when there are none, or when a batch leaves a batch norm a single value per channel.
void recalibrate(Graph& graph, std::span<const Batch> pictures);

}  // namespace bonsai
