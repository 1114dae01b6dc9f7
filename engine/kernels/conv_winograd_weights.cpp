// Backward-weights by Winograd's F(3x3, 4x4). In rounds of a few tiles the inputs and the errors
// are transformed, then each plane adds its products, inputs^T errors, to its own sums [in][out].
// Threads share a round plane by plane, so that large sums are held once. The sums are transformed
// at the end.
#include <algorithm>

#include "engine/kernels/conv_winograd.h"
#include "engine/kernels/finish.h"
#include "engine/kernels/tile.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

constexpr int64_t round_tiles = 96;  // at most

// Blocks of output channels: all of two vectors but perhaps the last, which may have one.
struct Blocks {
  int lanes, padded, count;

  Blocks(const ConvShape& s, const TileKernels& t)
      : lanes(t.lanes),
        padded(rounded_up(s.out, t.lanes)),
        count((padded + 2 * t.lanes - 1) / (2 * t.lanes)) {}

  int first(int block) const { return block * 2 * lanes; }
  int width(int block) const { return std::min(2 * lanes, padded - first(block)); }
};

struct Round {
  int64_t first;
  int count;
};

// inputs [tile][plane][in], errors [tile][plane][out padded]. A thread takes a few tiles.
void transform_tiles(const ConvBackwardWeights& c, const WinogradTiles& tiles, const Blocks& blocks,
                     const Round& round, Scalar* inputs, Scalar* errors) {
  const ConvShape& s = c.shape;
  parallel_ranges(round.count, 8, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t tile = round.first + i;
      Scalar* base = errors + i * tile_stride(blocks.padded);
      winograd_kernels()->input(input_square(s, tiles, tile, c.x),
                                whole_square(inputs + i * tile_stride(s.in), winograd_reach, s.in),
                                s.in, false);
      winograd_kernels()->error(output_square(s, tiles, tile, c.dy),
                                whole_square(base, winograd_reach, blocks.padded), s.out, false);
      if (s.out == blocks.padded) continue;
      for (int p = 0; p < winograd_planes; ++p, base += blocks.padded) {
        std::fill(base + s.out, base + blocks.padded, Scalar{0});
      }
    }
  });
}

// sums [plane][in][out padded] += inputs^T errors.
void add_products(const ConvShape& s, const Blocks& blocks, const Round& round,
                  const Scalar* inputs, const Scalar* errors, Scalar* sums) {
  const TileKernels& t = *tile_kernels();
  // Register tiles of equal height: a last one of few rows would wait for its own sums.
  const int heights = (s.in + t.pixels - 1) / t.pixels, height = (s.in + heights - 1) / heights;
  parallel_chunks(int64_t{winograd_planes} * blocks.count, [&](int64_t chunk) {
    const int64_t plane = chunk / blocks.count;
    const int block = static_cast<int>(chunk % blocks.count), o = blocks.first(block);
    const bool wide = blocks.width(block) == 2 * t.lanes;
    const auto kernel = wide ? t.weights_wide : t.weights_narrow;
    const auto** rows = thread_scratch<const Scalar*>(0, static_cast<size_t>(round.count));
    for (int i = 0; i < round.count; ++i) {
      rows[i] = inputs + int64_t{i} * tile_stride(s.in) + plane * s.in;
    }
    const Scalar* dy = errors + plane * blocks.padded + o;
    Scalar* dw = sums + plane * plane_stride(s.in, blocks.padded) + o;
    for (int i = 0; i < s.in; i += height) {
      kernel(rows, i, std::min(height, s.in - i), dy, tile_stride(blocks.padded), round.count,
             dw + int64_t{i} * blocks.padded, blocks.padded);
    }
  });
}

// dw (+)= the transform of the sums. A few inputs at a time, so that dw is written in runs.
void transform_sums(const ConvBackwardWeights& c, const Blocks& blocks, const Scalar* sums) {
  constexpr int run = 16, taps = 9;
  const ConvShape& s = c.shape;
  parallel_ranges(s.in, run, [&](int64_t begin, int64_t end) {
    auto* gradients = thread_scratch<Scalar>(0, static_cast<size_t>(run * taps) * s.out);
    for (int64_t i = begin; i < end; ++i) {
      winograd_kernels()->gradient(
          whole_square(sums + i * blocks.padded, winograd_reach, plane_stride(s.in, blocks.padded)),
          whole_square(gradients + (i - begin) * taps * s.out, 3, s.out), s.out, false);
    }
    for (int o = 0; o < s.out; ++o) {
      for (int tap = 0; tap < taps; ++tap) {
        Scalar* dw = c.dw + (int64_t{o} * taps + tap) * s.in;
        for (int64_t i = begin; i < end; ++i) {
          const Scalar value = gradients[((i - begin) * taps + tap) * s.out + o];
          dw[i] = c.add ? dw[i] + value : value;
        }
      }
    }
  });
}

// sums = those of the tiles [first, last).
void sum_tiles(const ConvBackwardWeights& c, const WinogradTiles& tiles, const Blocks& blocks,
               int64_t first, int64_t last, Scalar* sums) {
  const ConvShape& s = c.shape;
  const int64_t rounds = (last - first + round_tiles - 1) / round_tiles;
  const int64_t per_round = (last - first + rounds - 1) / rounds;
  const Tensor inputs =
      Tensor::uninitialized({static_cast<int>(per_round), static_cast<int>(tile_stride(s.in))});
  const Tensor errors = Tensor::uninitialized(
      {static_cast<int>(per_round), static_cast<int>(tile_stride(blocks.padded))});
  std::fill_n(sums, winograd_planes * plane_stride(s.in, blocks.padded), Scalar{0});
  for (int64_t begin = first; begin < last; begin += per_round) {
    const Round round{begin, static_cast<int>(std::min(per_round, last - begin))};
    transform_tiles(c, tiles, blocks, round, inputs.data(), errors.data());
    add_products(s, blocks, round, inputs.data(), errors.data(), sums);
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
  const Blocks blocks(s, *tile_kernels());
  // Where the sums are small, a round is too short to be shared: each part of the tiles has sums of
  // its own, which are added in order. Inside a part nothing is shared any more. A call of few
  // tiles has few parts, since each costs a pass over its sums.
  constexpr int64_t most_scalars = int64_t{1} << 22, most_parts = 16, fewest_parts = 4;
  const int64_t size = winograd_planes * plane_stride(s.in, blocks.padded);
  const int64_t affordable = std::min(most_parts, most_scalars / size);
  const int64_t wanted =
      affordable < fewest_parts ? 1 : std::clamp<int64_t>(tiles.count / round_tiles, 1, affordable);
  const int64_t share = (tiles.count + wanted - 1) / wanted;
  const int parts = static_cast<int>((tiles.count + share - 1) / share);
  const Tensor sums =
      Tensor::uninitialized({parts, winograd_planes, static_cast<int>(size / winograd_planes)});
  parallel_chunks(parts, [&](int64_t part) {
    sum_tiles(c, tiles, blocks, part * share, std::min(tiles.count, (part + 1) * share),
              sums.data() + part * size);
  });
  add_parts(sums.data() + size, parts - 1, size, sums.data(), true);
  transform_sums(c, blocks, sums.data());
}

}  // namespace bonsai
