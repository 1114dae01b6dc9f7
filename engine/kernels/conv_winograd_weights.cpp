// Backward-weights by Winograd's F(3x3, 4x4). In rounds of a few tiles the errors and the inputs
// are transformed, the latter a slice of channels at a time, then each plane adds its products,
// errors^T inputs, to its own sums [out][in]: vectors hold inputs, which are many also where
// outputs are few (DenseNets), and the gradient comes out in the order of the weights. Meanwhile
// the pixels of the next slice or round are asked for. Threads share a round plane by plane, so
// that large sums are held once. The sums are transformed at the end.
#include <algorithm>
#include <bit>

#include "engine/kernels/ahead.h"
#include "engine/kernels/conv_winograd.h"
#include "engine/kernels/finish.h"
#include "engine/kernels/winograd_sums.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

// Input channels that are transformed and multiplied at a time.
struct Slice {
  int from, count, padded;

  Slice(const ConvShape& s, int first, int most, const TileKernels& t)
      : from(first), count(std::min(most, s.in - first)), padded(rounded_up(count, t.lanes)) {}
};

struct Round {
  int64_t first;
  int count;
};

// A share of the transformed tiles for every thread.
template <class Body>
void each_tile(const WinogradTiles& tiles, const Round& round, const Body& body) {
  parallel_ranges(round.count, 8, [&](int64_t begin, int64_t end) {
    tiles.each(round.first + begin, end - begin,
               [&](int64_t i, const WinogradPlace& at) { body(begin + i, at); });
  });
}

// errors [tile][plane][out].
void transform_errors(const ConvBackwardWeights& c, const WinogradTiles& tiles, const Round& round,
                      Scalar* errors) {
  const int out = c.shape.out;
  each_tile(tiles, round, [&](int64_t i, const WinogradPlace& at) {
    winograd_kernels()->error(output_square(c.shape, at, c.dy),
                              whole_square(errors + i * tile_stride(out), winograd_reach, out), out,
                              false);
  });
}

// The pixels of x that the next slice or round reads, and those of dy where it is a round: a share
// for each transform of a tile and each plane.
WinogradNext next_pixels(const ConvBackwardWeights& c, const WinogradTiles& tiles,
                         const Slice& next, const Round& round, int64_t last) {
  const ConvShape& s = c.shape;
  const int64_t shares = round.count + winograd_planes;
  const bool other_round = next.from == 0;
  const int64_t end = round.first + round.count, after = std::min(last, end + round.count);
  auto x_before = [&](int64_t tile) { return tiles.pixels_before(tile, s.h, s.w); };
  auto dy_before = [&](int64_t tile) { return tiles.pixels_before(tile, s.out_h, s.out_w); };
  const int64_t x = x_before(other_round ? end : round.first), dy = dy_before(end);
  return {{c.x + x * s.in + next.from, x_before(other_round ? after : end) - x, next.count, s.in,
           shares},
          {c.dy + dy * s.out, other_round ? dy_before(after) - dy : 0, s.out, s.out, shares}};
}

// inputs [tile][plane][slice padded].
void transform_inputs(const ConvBackwardWeights& c, const WinogradTiles& tiles, const Slice& slice,
                      const Round& round, const WinogradNext& next, Scalar* inputs) {
  each_tile(tiles, round, [&](int64_t i, const WinogradPlace& at) {
    next.fetch(i);
    Scalar* to = inputs + i * tile_stride(slice.padded);
    winograd_kernels()->input(input_square(c.shape, at, c.x + slice.from),
                              whole_square(to, winograd_reach, slice.padded), slice.count, false);
    if (slice.count == slice.padded) return;
    for (int p = 0; p < winograd_planes; ++p, to += slice.padded) {
      std::fill(to + slice.count, to + slice.padded, Scalar{0});
    }
  });
}

// sums [plane][out][in padded] (+)= errors^T inputs.
void add_products(const ConvShape& s, const Slice& slice, const Round& round, const Scalar* errors,
                  const Scalar* inputs, const WinogradNext& next, Scalar* sums, int pitch,
                  bool add) {
  const WinogradPlanes of_errors{errors, tile_stride(s.out), s.out};
  const WinogradPlanes of_inputs{inputs, tile_stride(slice.padded), slice.padded};
  parallel_ranges(winograd_planes, 3, [&](int64_t begin, int64_t end) {
    winograd_sums()(of_errors, of_inputs, round.count, static_cast<int>(begin),
                    static_cast<int>(end), sums + slice.from, plane_stride(s.out, pitch), pitch,
                    add, next, round.count + begin);
  });
}

// dw (+)= the transform of the sums.
void transform_sums(const ConvBackwardWeights& c, const Scalar* sums, int pitch) {
  constexpr int taps = 9;
  const ConvShape& s = c.shape;
  parallel_ranges(s.out, 4, [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      winograd_kernels()->gradient(
          whole_square(sums + o * pitch, winograd_reach, plane_stride(s.out, pitch)),
          whole_square(c.dw + o * taps * s.in, 3, s.in), s.in, c.add);
    }
  });
}

// What is transformed at a time, at most.
struct Cut {
  int64_t tiles;
  int channels;
};

// sums = those of the tiles [first, last).
void sum_tiles(const ConvBackwardWeights& c, const WinogradTiles& tiles, const Cut& cut,
               int64_t first, int64_t last, Scalar* sums) {
  const ConvShape& s = c.shape;
  const TileKernels& t = *tile_kernels();
  const int pitch = rounded_up(s.in, t.lanes), channels = cut.channels;
  const int64_t rounds = (last - first + cut.tiles - 1) / cut.tiles;
  const int64_t per_round = (last - first + rounds - 1) / rounds;
  auto buffer = [&](int width) {
    return Tensor::uninitialized(
        {static_cast<int>(per_round), static_cast<int>(tile_stride(width))});
  };
  const Tensor inputs = buffer(channels), errors = buffer(s.out);
  for (int64_t begin = first; begin < last; begin += per_round) {
    const Round round{begin, static_cast<int>(std::min(per_round, last - begin))};
    transform_errors(c, tiles, round, errors.data());
    for (int from = 0; from < s.in; from += channels) {
      const int then = from + channels < s.in ? from + channels : 0;
      const Slice slice(s, from, channels, t), next_slice(s, then, channels, t);
      const WinogradNext next = next_pixels(c, tiles, next_slice, round, last);
      transform_inputs(c, tiles, slice, round, next, inputs.data());
      add_products(s, slice, round, errors.data(), inputs.data(), next, sums, pitch, begin > first);
    }
  }
}

}  // namespace

// A call passes over its sums a few times, and once for every tile.
bool conv_backward_weights_winograd_in_blocks(const ConvShape& s) {
  return int64_t{s.in} * s.out <= 128 * WinogradTiles(s).count;
}

void conv_backward_weights_winograd(const ConvBackwardWeights& c) {
  const ConvShape& s = c.shape;
  const WinogradTiles tiles(s);
  const int lanes = tile_kernels()->lanes, pitch = rounded_up(s.in, lanes);
  // Where the sums are small, a round is too short to be shared: each part of the tiles has sums of
  // its own, which are added in order. Inside a part nothing is shared any more, and what is
  // transformed at a time stays in the second cache. A call of few tiles has few parts, since each
  // costs a pass over its sums; a power of two leaves no thread without its share. Large sums are
  // worth long rounds of all channels, each of which reads and writes them.
  constexpr int64_t most_scalars = int64_t{1} << 22, most_parts = 16, fewest_parts = 4;
  constexpr int64_t part_tiles = 96, most_tiles = 128, near_tiles = 64;
  const int64_t size = winograd_planes * plane_stride(s.out, pitch);
  const int64_t affordable = std::min(most_parts, most_scalars / size);
  const bool alone = affordable >= fewest_parts;
  const int64_t wanted = alone ? std::clamp<int64_t>(tiles.count / part_tiles, 1, affordable) : 1;
  const auto parts = static_cast<int>(std::bit_floor(static_cast<uint64_t>(wanted)));
  const int channels = std::min(pitch, slice_channels(s.in, 2 * lanes));
  const Cut cut = alone ? Cut{near_tiles, channels} : Cut{most_tiles, pitch};
  const Tensor sums =
      Tensor::uninitialized({parts, winograd_planes, static_cast<int>(size / winograd_planes)});
  parallel_chunks(parts, [&](int64_t part) {
    sum_tiles(c, tiles, cut, part * tiles.count / parts, (part + 1) * tiles.count / parts,
              sums.data() + part * size);
  });
  add_parts(sums.data() + size, parts - 1, size, sums.data(), true);
  transform_sums(c, sums.data(), pitch);
}

}  // namespace bonsai
