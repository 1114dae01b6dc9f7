// Backward-weights of a 1x1 convolution by the direct row's register tiles, without copies: for a
// few pixels the products of all groups, since the channels of a pixel are one run of memory in x
// and one in dy. Vectors run over the inputs or the outputs of a group, whichever fill them better;
// where they stick out of a group they read its neighbour, and that part of the sums is not used.
// Threads share the pixels; of many weights also the rows of sums, a slice of which then stays in
// the second cache. Groups that take turns are one group here, whose lanes are all channels of that
// side.
#include <algorithm>

#include "engine/ceil_div.h"
#include "engine/kernels/ahead.h"
#include "engine/kernels/conv.h"
#include "engine/kernels/finish.h"
#include "engine/kernels/tile.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

constexpr int most_pixels = 128;
constexpr int64_t sums_of_slice = 1 << 16, chunks_wanted = 16, fewest_pixels_of_chunk = 256;

// Pixels of a block. The fewer products a number takes part in, the more its way counts: then a
// block and the next one, which is asked for, should fit into the first cache. Else sums, which are
// in memory between blocks, should be so rarely.
int block_pixels(const ConvShape& s) {
  const int64_t products = int64_t{s.in} * s.group_out() / (s.in + s.out);
  return products < 12 ? 16 : products < 36 ? 32 : products < 128 ? 64 : most_pixels;
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

  // Whether they are in the order of dw [out][group_in].
  bool as_in_dw() const { return rows_are_outputs && turns == 1 && padded == lanes.group; }
};

// The rows [begin, end) of each group's sums.
struct Slice {
  int begin, end;

  int count() const { return end - begin; }
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

// A slice of sums += the share of `count` pixels, which `left` others follow.
void add_block(const Sums& s, const TileKernels& t, const Slice& slice, int64_t first, int count,
               int64_t left, Scalar* sums) {
  const Scalar* table[most_pixels];
  for (int p = 0; p < count; ++p) table[p] = s.rows.data + (first + p) * s.rows.pitch;
  const Scalar* from = lane_pixels(s, first, count, left);
  const int wide = t.wide(), tiles = ceil_div(slice.count(), t.pixels);
  const int shares = s.groups * t.blocks(s.padded) * tiles * BackwardAhead::times(count);
  auto next = [&](const Side& side) {
    return Ahead<Use::read>(side.data + (first + count) * side.pitch, int64_t{count} * side.pitch,
                            shares);
  };
  BackwardAhead ahead{next(s.rows), next(s.lanes)};
  for (int g = 0; g < s.groups; ++g) {
    for (int l = 0; l < s.padded; l += wide) {
      const auto kernel = t.weights(t.width(s.padded - l));
      for (int tile = 0; tile < tiles; ++tile) {
        const int r = slice.begin + slice.count() * tile / tiles;
        const int end = slice.begin + slice.count() * (tile + 1) / tiles;
        const int64_t row = int64_t{g} * s.rows.group + r;
        kernel(table, row * s.turns, end - r, from + int64_t{g} * s.lanes.group + l, s.lanes.pitch,
               count, sums + row * s.padded + l, s.padded, ahead);
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

bool conv_backward_weights_pointwise_tiles_fits(const ConvShape& s) {
  return conv_pointwise_tiles_fits(s) ||
         (conv_is_pointwise(s) && tile_kernels() != nullptr && s.group_out() > 1 &&
          s.pixels() >= 2 * fewest_pixels_of_chunk);
}

void conv_backward_weights_pointwise_tiles(const ConvBackwardWeights& c) {
  const TileKernels& t = *tile_kernels(c.shape.interleaved ? c.shape.groups : 1);
  const Sums s(c, t.lanes);
  const int64_t pixels = c.shape.pixels(), size = s.size(), block = block_pixels(c.shape);
  const auto slices = static_cast<int>(
      std::clamp<int64_t>(size / sums_of_slice, 1, ceil_div(s.rows.group, t.pixels)));
  const int64_t wanted = std::max<int64_t>(1, chunks_wanted / slices);
  const int64_t fewest = std::max(fewest_pixels_of_chunk, ceil_div(pixels, wanted));
  const int64_t share = rounded_up(static_cast<int>(fewest), most_pixels);
  const int parts = static_cast<int>(ceil_div(pixels, share));
  // The first part's sums, where they have its order, are dw itself.
  const bool in_place = s.as_in_dw();
  const Tensor sums = Tensor::uninitialized({in_place ? parts - 1 : parts, static_cast<int>(size)});
  Scalar* const first_sums = in_place ? c.dw : sums.data();
  Scalar* const other_sums = in_place ? sums.data() : sums.data() + size;
  parallel_chunks(int64_t{parts} * slices, [&](int64_t chunk) {
    const int64_t part = chunk % parts, end = std::min(pixels, (part + 1) * share);
    const auto number = static_cast<int>(chunk / parts);
    const Slice slice{s.rows.group * number / slices, s.rows.group * (number + 1) / slices};
    Scalar* own = part == 0 ? first_sums : other_sums + (part - 1) * size;
    if (own != c.dw || !c.add) {  // else they go on from what is there
      for (int g = 0; g < s.groups; ++g) {
        std::fill_n(own + (int64_t{g} * s.rows.group + slice.begin) * s.padded,
                    int64_t{slice.count()} * s.padded, Scalar{0});
      }
    }
    for (int64_t first = part * share; first < end; first += block) {
      const auto count = static_cast<int>(std::min<int64_t>(block, end - first));
      add_block(s, t, slice, first, count, pixels - first - count, own);
    }
  });
  add_parts(other_sums, parts - 1, size, first_sums, true);
  if (!in_place) put(c, s, first_sums);
}

}  // namespace bonsai
