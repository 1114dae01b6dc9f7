// What a network of the zoo is built from, once every default is filled in.
#pragma once

#include <string>

#include "engine/random.h"
#include "engine/tensor.h"

namespace bonsai::zoo {

struct Spec {
  std::string name;  // for error texts
  int classes;
  float width;  // multiplies the number of channels everywhere
  Shape input;  // [H, W, C]
  Random& init;

  // The number of channels that the width multiplier leaves of `channels`: the nearest multiple of
  // `multiple`. Throws Error when nothing is left, naming the layer.
  int scaled(int channels, const std::string& layer, int multiple = 1) const;
  // For networks that round in their own way: `channels`, a whole number. Throws Error, naming the
  // layer, when that is more than any network could have.
  int whole(double channels, const std::string& layer) const;
  // Throws Error unless pictures are at least this high and wide.
  void require_size(int least) const;
};

}  // namespace bonsai::zoo
