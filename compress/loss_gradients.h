// What the loss says about channels: its first derivatives on calibration pictures, by a factor
// ("gate", equal to 1) on each channel and by the weights. The network runs as in inference, with
// running statistics for constants, so that no picture's derivative depends on the others.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "compress/couple.h"
#include "data/loader.h"

namespace bonsai {

struct LossGradients {
  // Per producer, [pictures, C]: the derivative of each picture's loss by the gates at the
  // producer's site (compress/sites.h), which is the sum over the map of a dL/da. Undefined for a
  // producer that makes no unit.
  std::vector<Tensor> gates;
  // Per weight tensor of these producers, by value number, [batches, filters]: the sum over the
  // filter of w dL/dw, where L is the mean loss of the batch.
  std::map<int, Tensor> filters;
};

// The loss is cross-entropy. The graph is not changed.
LossGradients loss_gradients(const Graph& graph, const Coupling& coupling,
                             std::span<const Batch> pictures);

}  // namespace bonsai
