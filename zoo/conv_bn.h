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

}  // namespace bonsai::zoo
