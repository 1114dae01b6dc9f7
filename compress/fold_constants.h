// What a channel leaves behind. Removed, a channel is zero; but what it carried was not zero on
// average: batch norm's beta, or a bias, went through the activation into every later layer. That
// constant can stay, as part of the bias of the layers that read the channel.
//
// The constant is what the channel is when its filter's output stands still: at the running mean of
// the batch norm behind it (which makes it beta), or at the bias when there is no batch norm, or
// when all weights of the filter are zero (then the channel is that constant, and nothing is lost
// by removing it). It goes through everything up to the reading layers, whatever their kind:
// the operations themselves are run on it.
//
// A reading convolution with padding sees fewer copies of the constant at the border of the map
// than inside. One bias cannot be right for both: it is right for the centre of the map, and exact
// everywhere for 1x1 kernels, fully connected layers and where there is no padding. By how much it
// is wrong at worst is reported.
#pragma once

#include <set>

#include "compress/couple.h"

namespace bonsai {

struct FoldedConstants {
  Graph graph;              // of the same channels; perhaps with biases that were not there
  double border_error = 0;  // the most by which a reading layer's result is off, anywhere
  double largest = 0;       // the largest constant that any layer took over
};

// The graph in which the layers that read `gone` units have taken over their constants: for a batch
// norm that alone reads the layer, in its running mean (less the constant), otherwise in the
// layer's bias. Prune it by couple(result.graph), whose units have the same numbers. Where a value
// depends on the picture (the factors of squeeze and excitation), a picture of zeros stands for
// all.
FoldedConstants fold_constants(const Graph& graph, const Coupling& coupling,
                               const std::set<int>& gone);

}  // namespace bonsai
