// A first layer that whitens: its filters are the principal directions of the patches that it
// reads (at its stride, with zeros where it pads), scaled so that their responses are uncorrelated
// and of equal size, and the same negated. It is not trained. With patches x of mean m and
// covariance V diag(l) V':
//   w_i = v_i / sqrt(l_i + eps),  w_{i + out/2} = -w_i,  the largest l first
// (Page 2019, How to Train Your ResNet 8; Jordan 2024, arXiv:2404.00498, section 3.2).
#pragma once

#include <array>

#include "data/dataset.h"
#include "engine/graph.h"

namespace bonsai {

struct WhitenOptions {
  double eps = 5e-4;    // keeps directions in which pictures hardly vary from being blown up
  int pictures = 5000;  // at most, spread evenly over the data, whose order may be by class
};

// Throws Error unless the picture is read by one convolution without groups, dilation or bias, with
// an even number of outputs of at most twice the numbers in a patch. The filters keep their scale
// when the network is pruned or saved.
void whiten_first_layer(Graph& graph, const Images& images, const std::array<float, 3>& mean,
                        const std::array<float, 3>& deviation, const WhitenOptions& options = {});

}  // namespace bonsai
