// Backward-weights by Winograd's F(3x3, 4x4). In rounds of tiles whose planes stay in cache, the
// inputs and the errors are transformed, then each plane adds its products, inputs^T errors, to
// its own sums [in][out]: planes share the work, so that no sums are held twice. The sums are
// transformed once, at the end.
#include <algorithm>

#include "engine/kernels/conv_winograd.h"
#include "engine/kernels/tile.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

int rounded(int n, int to) { return (n + to - 1) / to * to; }

// Blocks of output channels: all of two vectors but perhaps the last, which may have one.
struct Blocks {
  int lanes, padded, count;

  Blocks(const ConvShape& s, const TileKernels& t)
      : lanes(t.lanes),
        padded(rounded(s.out, t.lanes)),
        count((padded + 2 * t.lanes - 1) / (2 * t.lanes)) {}

  int first(int block) const { return block * 2 * lanes; }
  int width(int block) const { return std::min(2 * lanes, padded - first(block)); }
};

struct Round {
  int64_t first;
  int count;
};

// inputs [plane][tile][in], errors [plane][out block][tile][block]. A thread takes a few tiles.
void transform_tiles(const ConvBackwardWeights& c, const WinogradTiles& tiles, const Blocks& blocks,
                     const Round& round, const Scalar* zeros, Scalar* inputs, Scalar* errors) {
  const ConvShape& s = c.shape;
  parallel_ranges(round.count, 8, [&](int64_t begin, int64_t end) {
    const Scalar *from[winograd_planes], *dy[winograd_tile * winograd_tile];
    Scalar* to[winograd_planes];
    for (int64_t i = begin; i < end; ++i) {
      input_pixels(s, tiles, round.first + i, c.x, zeros, from);
      plane_rows(inputs + i * s.in, plane_stride(round.count, s.in), to);
      winograd_kernels()->input(from, to, s.in, false);
      for_each_output(s, tiles, round.first + i,
                      [&](int pixel, int64_t at) { dy[pixel] = at < 0 ? zeros : c.dy + at; });
      for (int block = 0; block < blocks.count; ++block) {
        const int width = blocks.width(block), o = blocks.first(block);
        for (int pixel = 0; pixel < winograd_tile * winograd_tile; ++pixel) {
          from[pixel] = dy[pixel] == zeros ? zeros : dy[pixel] + o;
        }
        Scalar* base = errors + int64_t{round.count} * o + i * width;
        plane_rows(base, plane_stride(round.count, blocks.padded), to);
        const int columns = std::min(width, s.out - o);
        winograd_kernels()->error(from, to, columns, false);
        if (columns == width) continue;
        for (Scalar* row : to) std::fill(row + columns, row + width, Scalar{0});
      }
    }
  });
}

// sums [plane][in][out padded] += inputs^T errors.
void add_products(const ConvShape& s, const TileKernels& t, const Blocks& blocks,
                  const Round& round, const Scalar* inputs, const Scalar* errors, Scalar* sums) {
  parallel_chunks(int64_t{winograd_planes} * blocks.count, [&](int64_t chunk) {
    const int64_t plane = chunk / blocks.count;
    const int block = static_cast<int>(chunk % blocks.count), o = blocks.first(block);
    const bool wide = blocks.width(block) == 2 * t.lanes;
    const auto kernel = wide ? t.weights_wide : t.weights_narrow;
    const auto** rows = thread_scratch<const Scalar*>(0, static_cast<size_t>(round.count));
    for (int i = 0; i < round.count; ++i) {
      rows[i] = inputs + plane * plane_stride(round.count, s.in) + int64_t{i} * s.in;
    }
    const Scalar* dy =
        errors + plane * plane_stride(round.count, blocks.padded) + int64_t{round.count} * o;
    Scalar* dw = sums + plane * plane_stride(s.in, blocks.padded) + o;
    for (int i = 0; i < s.in; i += t.pixels) {
      kernel(rows, 1, i, std::min(t.pixels, s.in - i), dy, round.count,
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
    const Scalar* from[winograd_planes];
    Scalar* to[taps];
    for (int64_t i = begin; i < end; ++i) {
      plane_rows(sums + i * blocks.padded, plane_stride(s.in, blocks.padded), from);
      for (int tap = 0; tap < taps; ++tap) {
        to[tap] = gradients + ((i - begin) * taps + tap) * s.out;
      }
      winograd_kernels()->gradient(from, to, s.out, false);
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

}  // namespace

void conv_backward_weights_winograd(const ConvBackwardWeights& c) {
  const TileKernels& t = *tile_kernels();
  const ConvShape& s = c.shape;
  const WinogradTiles tiles(s);
  const Blocks blocks(s, t);
  constexpr int64_t cache = int64_t{4} << 20;
  const int64_t tile_bytes =
      int64_t{winograd_planes} * (s.in + blocks.padded) * int64_t{sizeof(Scalar)};
  const int64_t per_round = std::min(tiles.count, std::max<int64_t>(96, cache / tile_bytes));
  auto planes = [](int64_t rows, int channels) {
    return Shape{winograd_planes, static_cast<int>(plane_stride(rows, channels))};
  };
  const Tensor inputs = Tensor::uninitialized(planes(per_round, s.in));
  const Tensor errors = Tensor::uninitialized(planes(per_round, blocks.padded));
  const Tensor sums(planes(s.in, blocks.padded));
  const Tensor zeros({std::max(s.in, s.out)});
  for (int64_t first = 0; first < tiles.count; first += per_round) {
    const Round round{first, static_cast<int>(std::min(per_round, tiles.count - first))};
    transform_tiles(c, tiles, blocks, round, zeros.data(), inputs.data(), errors.data());
    add_products(s, t, blocks, round, inputs.data(), errors.data(), sums.data());
  }
  transform_sums(c, blocks, sums.data());
}

}  // namespace bonsai
