#include "engine/kernels/conv_pixels.h"

#include "engine/simd.h"

namespace bonsai {

BONSAI_SIMD void fill_pixel_table(const ConvShape& s, const Scalar* x, const Scalar* zeros,
                                  int64_t first, int64_t tiles, int tile, const Scalar** table) {
  const int64_t step = int64_t{s.stride} * s.in;
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
          const int64_t corner = ((int64_t{p.n} * s.h + h) * s.w + w) * s.in;
          for (int r = inside.begin; r < inside.end; ++r) entry[r] = x + (corner + r * step);
          std::fill(entry + inside.end, entry + run, zeros);
        }
      }
      p.advance(s, run);
    }
  }
}

}  // namespace bonsai
