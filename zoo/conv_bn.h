// What nearly all networks are made of: a convolution and its batch norm, whose shift makes the
// convolution's own bias superfluous.
#pragma once

#include "layers/basic.h"

namespace bonsai::zoo {

// Appends both to `layers`, the convolution without a bias and padded so that stride 1 keeps the
// size. Without a number, their positions in the sequence are their names; with one, conv<number>
// and bn<number>.
void add_conv_bn(Sequential& layers, int in, int out, int kernel, ConvOptions options,
                 Random& init);
void add_conv_bn(Sequential& layers, int number, int in, int out, int kernel, ConvOptions options,
                 Random& init);

// Both without a number, and an activation.
template <class Activation>
struct ConvBnThen : Sequential {
  ConvBnThen(int in, int out, int kernel, const ConvOptions& options, Random& init) {
    add_conv_bn(*this, in, out, kernel, options, init);
    add<Activation>();
  }
};

}  // namespace bonsai::zoo
