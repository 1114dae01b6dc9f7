// Walking over the output pixels of a convolution, numbered through lines and images.
#pragma once

#include <algorithm>
#include <cstdint>

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
      end = std::max(begin, (s.w - at + s.stride - 1) / s.stride);
    }
  }
};

// table [tiles][taps][tile]: the address of the input pixel that each output pixel from `first`
// on reads at each tap; `zeros` (a row of `in` zeros) outside the image and past the last pixel.
// Pixels of x are `pitch` scalars apart. Written in runs of pixels of a line, which are a step
// apart.
inline void fill_pixel_table(const ConvShape& s, int pitch, const Scalar* x, const Scalar* zeros,
                             int64_t first, int64_t tiles, int tile, const Scalar** table) {
  const int64_t step = int64_t{s.stride} * pitch;
  ConvPixel p(s, first);
  for (; tiles > 0; --tiles, table += int64_t{s.taps()} * tile) {
    for (int i = 0, run = 0; i < tile; i += run) {
      if (p.n >= s.n) {
        for (int tap = 0; tap < s.taps(); ++tap) {
          std::fill(table + tap * tile + i, table + (tap + 1) * tile, zeros);
        }
        break;
      }
      run = std::min(tile - i, s.out_w - p.ow);
      for (int kw = 0; kw < s.kw; ++kw) {
        const int w = p.ow * s.stride - s.padding + kw * s.dilation;
        const ConvInside inside(s, w, run);
        for (int kh = 0; kh < s.kh; ++kh) {
          const Scalar** entry = table + (kh * s.kw + kw) * tile + i;
          const int h = p.oh * s.stride - s.padding + kh * s.dilation;
          if (h < 0 || h >= s.h) {
            std::fill_n(entry, run, zeros);
            continue;
          }
          std::fill_n(entry, inside.begin, zeros);
          const int64_t corner = ((int64_t{p.n} * s.h + h) * s.w + w) * pitch;
          for (int r = inside.begin; r < inside.end; ++r) entry[r] = x + (corner + r * step);
          std::fill(entry + inside.end, entry + run, zeros);
        }
      }
      p.advance(s, run);
    }
  }
}

}  // namespace bonsai
