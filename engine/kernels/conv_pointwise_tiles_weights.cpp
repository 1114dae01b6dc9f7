// Backward-weights of a 1x1 convolution by the direct row's register tiles, without copies: for a
// few pixels the products of all groups, since the channels of a pixel are one run of memory in x
// and one in dy. Vectors run over the inputs or the outputs of a group, whichever fill them better;
// where they stick out of a group they read its neighbour, and that part of the sums is not used.
// Groups that take turns are one group here, whose lanes are all channels of that side.
#include <algorithm>

#include "engine/kernels/ahead.h"
#include "engine/kernels/conv.h"
#include "engine/kernels/finish.h"
#include "engine/kernels/tile.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

constexpr int most_pixels = 64;

// Pixels of a block. The fewer products a number takes part in, the more its way counts: then a
// block and the next one, which is asked for, should fit into the first cache. Else sums, which are
// in memory between blocks, should be so rarely.
int block_pixels(const ConvShape& s) {
  const int64_t products = int64_t{s.in} * s.group_out() / (s.in + s.out);
  return products < 12 ? 16 : products < 36 ? 32 : most_pixels;
}

struct Side {
  const Scalar* data;
  int pitch, group;  // channels of a pixel and of a group
};

// sums [group][row][padded] of the products of `rows` and `lanes`, one of which is x, the other dy.
struct Sums {
  Side rows, lanes;
  int groups, turns, padded;  // turns: channels that lie between those of one group, and itself
  bool rows_are_outputs;

  Sums(const ConvBackwardWeights& c, int vector)
      : groups(c.shape.interleaved ? 1 : c.shape.groups), turns(c.shape.groups / groups) {
    const Side x{c.x, c.shape.in, c.shape.group_in()}, dy{c.dy, c.shape.out, c.shape.group_out()};
    const int in = rounded_up(turns * x.group, vector), out = rounded_up(turns * dy.group, vector);
    rows_are_outputs = int64_t{in} * dy.group <= int64_t{out} * x.group;
    rows = rows_are_outputs ? dy : x;
    lanes = rows_are_outputs ? x : dy;
    lanes.group *= turns;
    padded = rows_are_outputs ? in : out;
  }

  int64_t size() const { return int64_t{groups} * rows.group * padded; }
};

// The pixels of `lanes` from `first` on; those that a vector would leave the array behind, with
// `left` pixels after them, from a copy with room.
const Scalar* lane_pixels(const Sums& s, int64_t first, int count, int64_t left) {
  const Scalar* from = s.lanes.data + first * s.lanes.pitch;
  if (left * s.lanes.pitch >= s.padded - s.lanes.group) return from;
  const int64_t n = int64_t{count} * s.lanes.pitch;
  auto* copy = thread_scratch<Scalar>(0, static_cast<size_t>(n + s.padded));
  std::copy_n(from, n, copy);
  std::fill_n(copy + n, s.padded, Scalar{0});
  return copy;
}

// sums += the share of `count` pixels, which `left` others follow.
void add_block(const Sums& s, const TileKernels& t, int64_t first, int count, int64_t left,
               Scalar* sums) {
  const Scalar* table[most_pixels];
  for (int p = 0; p < count; ++p) table[p] = s.rows.data + (first + p) * s.rows.pitch;
  const Scalar* from = lane_pixels(s, first, count, left);
  const int wide = 2 * t.lanes, tiles = (s.rows.group + t.pixels - 1) / t.pixels;
  const int shares =
      s.groups * ((s.padded + wide - 1) / wide) * tiles * BackwardAhead::times(count);
  auto next = [&](const Side& side) {
    return Ahead<Use::read>(side.data + (first + count) * side.pitch, int64_t{count} * side.pitch,
                            shares);
  };
  BackwardAhead ahead{next(s.rows), next(s.lanes)};
  for (int g = 0; g < s.groups; ++g) {
    for (int l = 0; l < s.padded; l += wide) {
      const auto kernel = s.padded - l >= wide ? t.weights_wide : t.weights_narrow;
      for (int tile = 0; tile < tiles; ++tile) {
        const int r = s.rows.group * tile / tiles, end = s.rows.group * (tile + 1) / tiles;
        kernel(table, (int64_t{g} * s.rows.group + r) * s.turns, end - r,
               from + int64_t{g} * s.lanes.group + l, s.lanes.pitch, count,
               sums + (int64_t{g} * s.rows.group + r) * s.padded + l, s.padded, ahead);
      }
    }
  }
}

// dw [out][group_in] (+)= sums.
void put(const ConvBackwardWeights& c, const Sums& s, const Scalar* sums) {
  const int in = c.shape.group_in(), out = c.shape.group_out();
  Scalar* dw = c.dw;
  for (int g = 0; g < c.shape.groups; ++g) {
    const Scalar* group = sums + int64_t{g / s.turns} * s.rows.group * s.padded + g % s.turns;
    for (int o = 0; o < out; ++o) {
      for (int i = 0; i < in; ++i, ++dw) {
        const int row = s.rows_are_outputs ? o : i, lane = s.rows_are_outputs ? i : o;
        *dw = (c.add ? *dw : Scalar{0}) + group[int64_t{row} * s.padded + lane * s.turns];
      }
    }
  }
}

}  // namespace

void conv_backward_weights_pointwise_tiles(const ConvBackwardWeights& c) {
  const TileKernels& t = *tile_kernels(c.shape.interleaved ? c.shape.groups : 1);
  const Sums s(c, t.lanes);
  const int64_t pixels = c.shape.pixels();
  const auto fewest = static_cast<int>(std::max<int64_t>(4 * most_pixels, (pixels + 15) / 16));
  const int64_t share = rounded_up(fewest, most_pixels), block = block_pixels(c.shape);
  const int parts = static_cast<int>((pixels + share - 1) / share);
  const Tensor sums = Tensor::uninitialized({parts, static_cast<int>(s.size())});
  parallel_chunks(parts, [&](int64_t part) {
    const int64_t end = std::min(pixels, (part + 1) * share);
    Scalar* own = sums.data() + part * s.size();
    std::fill_n(own, s.size(), Scalar{0});
    for (int64_t first = part * share; first < end; first += block) {
      const auto count = static_cast<int>(std::min<int64_t>(block, end - first));
      add_block(s, t, first, count, pixels - first - count, own);
    }
  });
  add_parts(sums.data() + s.size(), parts - 1, s.size(), sums.data(), true);
  put(c, s, sums.data());
}

}  // namespace bonsai
