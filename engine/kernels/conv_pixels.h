// Walking over the output pixels of a convolution, numbered through lines and images.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/ceil_div.h"
#include "engine/kernels/ahead.h"
#include "engine/kernels/conv.h"

namespace bonsai {

struct ConvPixel {
  int n, oh, ow;

  ConvPixel(const ConvShape& s, int64_t index)
      : n(static_cast<int>(index / (int64_t{s.out_h} * s.out_w))),
        oh(static_cast<int>(index / s.out_w % s.out_h)),
        ow(static_cast<int>(index % s.out_w)) {}

  // By pixels of the same line, at most to the first of the next.
  void advance(const ConvShape& s, int pixels = 1) {
    if ((ow += pixels) < s.out_w) return;
    ow = 0;
    if (++oh < s.out_h) return;
    oh = 0;
    ++n;
  }
};

// Of `run` output pixels in a line, from one whose tap reads column `at` on: those in [begin, end)
// read inside a line of x.
struct ConvInside {
  int begin = 0, end;

  ConvInside(const ConvShape& s, int at, int run) : end(run) {
    if (at < 0) begin = std::min(run, (s.stride - 1 - at) / s.stride);
    if (at + (run - 1) * s.stride >= s.w) {
      end = std::max(begin, ceil_div(s.w - at, s.stride));
    }
  }
};

// What the `count` output pixels from `first` on read, about: as far through the images as those
// are. Where a stride passes over pixels that no tap reads, most of it would be in vain.
inline Ahead<Use::read> reads_ahead(const ConvShape& s, const Scalar* x, int64_t first,
                                    int64_t count, int shares) {
  const auto at = [&](int64_t index) {
    return index * s.h * s.w / (int64_t{s.out_h} * s.out_w) * s.in;
  };
  const int64_t size = s.kw < s.stride ? 0 : at(first + count) - at(first);
  return Ahead<Use::read>(x + at(first), size, shares);
}

// table [tiles][taps][tile]: the address of the input pixel that each output pixel from `first`
// on reads at each tap; `zeros` (a row of `in` zeros) outside the image and past the last pixel.
// Written in runs of pixels of a line, which are a step apart.
void fill_pixel_table(const ConvShape& s, const Scalar* x, const Scalar* zeros, int64_t first,
                      int64_t tiles, int tile, const Scalar** table);

}  // namespace bonsai
