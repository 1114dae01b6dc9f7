#include "zoo/conv_bn.h"

#include <string>

namespace bonsai::zoo {
namespace {

void add(Sequential& layers, const std::string& conv, const std::string& norm, int in, int out,
         int kernel, ConvOptions options, Random& init) {
  options.padding = kernel / 2;
  options.bias = false;
  layers.add_named<Conv2d>(conv, in, out, kernel, options, init);
  layers.add_named<BatchNorm>(norm, out);
}

}  // namespace

void add_conv_bn(Sequential& layers, int in, int out, int kernel, ConvOptions options,
                 Random& init) {
  const size_t position = layers.size();
  add(layers, std::to_string(position), std::to_string(position + 1), in, out, kernel, options,
      init);
}

void add_conv_bn(Sequential& layers, int number, int in, int out, int kernel, ConvOptions options,
                 Random& init) {
  const std::string text = std::to_string(number);
  add(layers, "conv" + text, "bn" + text, in, out, kernel, options, init);
}

}  // namespace bonsai::zoo
