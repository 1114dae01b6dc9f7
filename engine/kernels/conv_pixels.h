// Walking over the output pixels of a convolution, numbered through lines and images.
#pragma once

#include <cstdint>

#include "engine/kernels/conv.h"

namespace bonsai {

struct ConvPixel {
  int n, oh, ow;

  ConvPixel(const ConvShape& s, int64_t index)
      : n(static_cast<int>(index / (int64_t{s.out_h} * s.out_w))),
        oh(static_cast<int>(index / s.out_w % s.out_h)),
        ow(static_cast<int>(index % s.out_w)) {}

  void advance(const ConvShape& s) {
    if (++ow < s.out_w) return;
    ow = 0;
    if (++oh < s.out_h) return;
    oh = 0;
    ++n;
  }
};

// table [tiles][taps][tile]: the address of the input pixel that each output pixel from `first`
// on reads at each tap; `zeros` (a row of `in` zeros) outside the image and past the last pixel.
// Pixels of x are `pitch` scalars apart.
inline void fill_pixel_table(const ConvShape& s, int pitch, const Scalar* x, const Scalar* zeros,
                             int64_t first, int64_t tiles, int tile, const Scalar** table) {
  const int reach_h = (s.kh - 1) * s.dilation, reach_w = (s.kw - 1) * s.dilation;
  const int64_t column = int64_t{s.dilation} * pitch, line = column * s.w;
  ConvPixel p(s, first);
  for (; tiles > 0; --tiles, table += int64_t{s.taps()} * tile) {
    for (int i = 0; i < tile; ++i, p.advance(s)) {
      const Scalar** entry = table + i;
      const int ih = p.oh * s.stride - s.padding, iw = p.ow * s.stride - s.padding;
      const int64_t corner = ((int64_t{p.n} * s.h + ih) * s.w + iw) * pitch;
      // Most pixels see no padding, and one test tells them.
      if (p.n < s.n && ih >= 0 && ih + reach_h < s.h && iw >= 0 && iw + reach_w < s.w) {
        for (int kh = 0; kh < s.kh; ++kh) {
          const Scalar* from = x + corner + kh * line;
          for (int kw = 0; kw < s.kw; ++kw, entry += tile, from += column) *entry = from;
        }
        continue;
      }
      for (int kh = 0; kh < s.kh; ++kh) {
        const int h = ih + kh * s.dilation;
        for (int kw = 0; kw < s.kw; ++kw, entry += tile) {
          const int w = iw + kw * s.dilation;
          const bool inside = p.n < s.n && h >= 0 && h < s.h && w >= 0 && w < s.w;
          *entry = inside ? x + corner + kh * line + kw * column : zeros;
        }
      }
    }
  }
}

}  // namespace bonsai
