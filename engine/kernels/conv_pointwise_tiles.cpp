// 1x1 convolution, stride 1, no padding, whose weights fit into the second cache: the direct row's
// register tiles, but all channels of a few pixels before the next ones, since those are one run of
// memory in x and one in y. What limits such layers is not the arithmetic but the wait for lines of
// cache: x is read and y is written in more streams than a processor foresees, so that each tile
// asks for a share of the next one's lines. Groups of 20 channels take half the time this way.
// Groups that take turns are to the tiles one group, of all outputs and of as many inputs as one of
// them.
#include <algorithm>

#include "engine/ceil_div.h"
#include "engine/kernels/ahead.h"
#include "engine/kernels/conv.h"
#include "engine/kernels/finish.h"
#include "engine/kernels/tile.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

constexpr int64_t most_weights = 1 << 17;
constexpr int most_pixels = 12;

const TileKernels* tiles_of(const ConvShape& s) {
  return tile_kernels(s.interleaved ? s.groups : 1);
}

// y of all channels of `count` pixels from `first` on.
void run_tile(const ConvForward& c, const TileKernels& t, const Scalar* packed, int64_t first,
              int count) {
  const ConvShape& s = c.shape;
  const int groups = s.interleaved ? 1 : s.groups;
  const int gi = s.group_in(), go = s.out / groups, padded = rounded_up(go, t.lanes);
  const int wide = t.wide(), blocks = groups * t.blocks(padded);
  const int shares = blocks * ForwardAhead::times(gi);
  ForwardAhead ahead{{c.x + (first + count) * s.in, int64_t{count} * s.in, shares},
                     {c.y + (first + count) * s.out, int64_t{count} * s.out, shares}};
  const Scalar* pixels[most_pixels];
  for (int p = 0; p < t.pixels; ++p) pixels[p] = c.x + (first + std::min(p, count - 1)) * s.in;
  for (int g = 0; g < groups; ++g) {
    for (int o = 0; o < go; o += wide) {
      const int width = std::min(wide, padded - o), columns = std::min(width, go - o);
      forward_pixels(t, count, width, pixels, 1, gi, int64_t{g} * gi,
                     packed + (int64_t{g} * padded + o) * gi,
                     c.y + first * s.out + int64_t{g} * go + o, s.out, columns, c.add, ahead);
    }
  }
}

}  // namespace

bool conv_pointwise_tiles_fits(const ConvShape& s) {
  const TileKernels* t = tiles_of(s);
  if (t == nullptr || !conv_is_pointwise(s) || s.group_out() < 2) return false;
  const int groups = s.interleaved ? 1 : s.groups;
  return s.pixels() >= pointwise_tiles_pixels &&
         int64_t{groups} * rounded_up(s.out / groups, t->lanes) * s.group_in() <= most_weights;
}

void conv_forward_pointwise_tiles(const ConvForward& c) {
  const TileKernels& t = *tiles_of(c.shape);
  const ConvShape& s = c.shape;
  Tensor own;
  if (c.packed == nullptr)
    own = s.interleaved ? conv_pack_interleaved(s, c.w) : conv_pack_direct(s, c.w);
  const Scalar* packed = c.packed != nullptr ? c.packed : own.data();
  // About a hundred pixels, or fewer where a single image must give every thread its share.
  const int64_t tiles = ceil_div(s.pixels(), t.pixels);
  const int64_t grain = std::clamp<int64_t>(tiles / 12, 1, 96 / t.pixels) * t.pixels;
  parallel_ranges(s.pixels(), grain, [&](int64_t begin, int64_t end) {
    for (int64_t first = begin; first < end; first += t.pixels) {
      run_tile(c, t, packed, first, static_cast<int>(std::min<int64_t>(t.pixels, end - first)));
    }
    finish_rows(c.y + begin * s.out, end - begin, s.out, s.out, c.b, c.activation);
  });
}

}  // namespace bonsai
