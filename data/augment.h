// Random changes to a training picture that keep its class: shifted crop, mirror image, cutout
// (DeVries and Taylor 2017, arXiv:1708.04552). The choices are drawn first and apart, so that they
// depend on the given randomness alone; then one pass writes the changed picture, normalised.
#pragma once

#include <array>
#include <cstdint>

#include "engine/random.h"
#include "engine/tensor.h"

namespace bonsai {

enum class Flip {
  none,
  random,     // mirrored left to right, every other time
  alternate,  // half of the pictures in even epochs, the other half in odd ones, so that two epochs
              // show each picture both ways (Jordan 2024, arXiv:2404.00498, section 3.6)
};

enum class Padding { reflect, mean };  // mirrored at the border, or the mean colour (0 normalised)

struct Augment {
  int crop_padding = 4;  // the picture moves by up to this many pixels each way
  Padding padding = Padding::reflect;
  Flip flip = Flip::random;
  int cutout = 0;  // side of a square of mean colour centred anywhere, clipped at the border

  bool changes() const { return crop_padding > 0 || flip != Flip::none || cutout > 0; }
  static Augment none() { return {.crop_padding = 0, .flip = Flip::none}; }
};

struct Placement {
  int down = 0, right = 0;  // where the crop's corner lies in the picture, may be negative
  bool flip = false;
  int cut_top = 0, cut_left = 0, cut_bottom = 0, cut_right = 0;  // in the result; empty: no cutout
};
// Of a picture in an epoch, as `random` has it; an alternating flip is not among what it draws.
Placement draw_placement(const Augment& augment, int height, int width, Random random);

// Whether Flip::alternate mirrors picture number `sample` in this epoch: a matter of chance in the
// first one, and then in turns.
bool flips_in_turn(uint64_t seed, int sample, int epoch);

// (value / 255 - mean) / deviation for the 256 values of a byte in each channel.
class Normaliser {
 public:
  Normaliser(const std::array<float, 3>& mean, const std::array<float, 3>& deviation);
  Scalar operator()(int channel, uint8_t value) const {
    return table_[static_cast<size_t>(channel)][value];
  }

 private:
  std::array<std::array<Scalar, 256>, 3> table_;
};

// image: height x width x 3 bytes; out: as many Scalars.
void write_sample(const uint8_t* image, int height, int width, const Placement& placement,
                  Padding padding, const Normaliser& normaliser, Scalar* out);

}  // namespace bonsai
