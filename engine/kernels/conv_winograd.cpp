// Winograd's convolution, forward (backward-data is the same with the weights turned around).
// A chunk of tiles is transformed into 36 planes [tile][in]; each is multiplied by its plane of
// the weights with the register tile of the direct row, one block of output channels at a time,
// and the block's products are transformed back while they are in cache. Weights are packed
// [plane][out block][in][block], four times their size: they are read once per chunk.
#include "engine/kernels/conv_winograd.h"

#include <algorithm>

#include "engine/kernels/finish.h"
#include "engine/kernels/tile.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

constexpr int most_pixels = 12;  // rows of a register tile

// From plane to plane of the packed weights.
int64_t weights_stride(const ConvShape& s, const TileKernels& t) {
  return plane_stride(rounded_up(s.out, t.lanes), s.in);
}

// Tiles per chunk: their planes stay in cache, yet enough of them that reading the weights costs
// little beside the product; a single image still gives every thread its share.
int64_t chunk_tiles(const ConvShape& s, const TileKernels& t, int64_t tiles) {
  constexpr int64_t cache = int64_t{512} << 10;
  const int64_t in_cache = cache / (int64_t{winograd_planes} * s.in * int64_t{sizeof(Scalar)});
  const int64_t wanted = std::min(std::clamp<int64_t>(in_cache, 48, 96), (tiles + 3) / 4);
  return rounded_up(static_cast<int>(std::max<int64_t>(wanted, 1)), t.pixels);
}

struct Chunk {
  int64_t first, count, rows;  // tiles; rows: with the tail of the last register tile
};

void transform_inputs(const ConvForward& c, const WinogradTiles& tiles, const Chunk& chunk,
                      const Scalar* zeros, Scalar* inputs) {
  const Scalar* from[winograd_planes];
  Scalar* to[winograd_planes];
  for (int64_t i = 0; i < chunk.count; ++i) {
    input_pixels(c.shape, tiles, chunk.first + i, c.x, zeros, from);
    plane_rows(inputs + i * c.shape.in, plane_stride(chunk.rows, c.shape.in), to);
    winograd_kernels()->input(from, to, c.shape.in, false);
  }
}

// products [plane][rows][width] = inputs [plane][rows][in] times one block of the weights.
void multiply(const ConvShape& s, const TileKernels& t, const Chunk& chunk, const Scalar* inputs,
              const Scalar* weights, int width, Scalar* products) {
  const auto kernel = width == t.lanes ? t.narrow : t.wide;
  const Scalar* rows[most_pixels];
  for (int p = 0; p < winograd_planes; ++p) {
    const Scalar* x = inputs + p * plane_stride(chunk.rows, s.in);
    const Scalar* w = weights + p * weights_stride(s, t);
    Scalar* y = products + p * plane_stride(chunk.rows, width);
    for (int64_t i = 0; i < chunk.rows; i += t.pixels) {
      for (int r = 0; r < t.pixels; ++r) rows[r] = x + std::min(i + r, chunk.count - 1) * s.in;
      kernel(rows, 1, s.in, 0, w, y + i * width, width, false);
    }
  }
}

void transform_outputs(const ConvForward& c, const WinogradTiles& tiles, const Chunk& chunk, int o,
                       int width, const Scalar* products, Scalar* sink) {
  const ConvShape& s = c.shape;
  const Scalar* from[winograd_planes];
  Scalar* to[winograd_tile * winograd_tile];
  for (int64_t i = 0; i < chunk.count; ++i) {
    plane_rows(products + i * width, plane_stride(chunk.rows, width), from);
    for_each_output(s, tiles, chunk.first + i,
                    [&](int pixel, int64_t at) { to[pixel] = at < 0 ? sink : c.y + at + o; });
    winograd_kernels()->output(from, to, std::min(width, s.out - o), c.add);
  }
}

void finish_tiles(const ConvForward& c, const WinogradTiles& tiles, const Chunk& chunk) {
  if (c.b == nullptr && c.activation.kind == Activation::none) return;
  for (int64_t i = 0; i < chunk.count; ++i) {
    int64_t line = -1;
    int pixels = 0;  // of the tile's line, which lie side by side
    for_each_output(c.shape, tiles, chunk.first + i, [&](int pixel, int64_t at) {
      const int column = pixel % winograd_tile;
      if (column == 0) line = at, pixels = 0;
      if (at >= 0) ++pixels;
      if (column < winograd_tile - 1 || pixels == 0) return;
      finish_rows(c.y + line, pixels, c.shape.out, c.shape.out, c.b, c.activation);
    });
  }
}

}  // namespace

bool conv_winograd_fits(const ConvShape& s) {
  if (s.kh != 3 || s.kw != 3 || s.stride != 1 || s.dilation != 1 || s.groups != 1) return false;
  if (tile_kernels() == nullptr || s.in < 16 || s.out < 16) return false;
  const WinogradTiles tiles(s);
  const int64_t covered = tiles.count * winograd_tile * winograd_tile;
  return covered <= 2 * s.pixels() && tiles.count >= 32;
}

Tensor conv_pack_winograd(const ConvShape& s, const Scalar* w) {
  const TileKernels& t = *tile_kernels();
  const int64_t stride = weights_stride(s, t), size = winograd_planes * stride;
  Tensor packed = Tensor::uninitialized({static_cast<int>(size) + s.in});
  const int wide = 2 * t.lanes, padded = rounded_up(s.out, t.lanes);
  parallel_chunks((padded + wide - 1) / wide, [&](int64_t block) {
    const int first = static_cast<int>(block) * wide, width = std::min(wide, padded - first);
    auto* planes =
        thread_scratch<Scalar>(0, static_cast<size_t>(winograd_planes * plane_stride(1, s.in)));
    Scalar* to = packed.data() + int64_t{first} * s.in;
    const Scalar* from[9];
    Scalar* rows[winograd_planes];
    plane_rows(planes, plane_stride(1, s.in), rows);
    for (int j = 0; j < width; ++j) {
      const int o = first + j;
      if (o < s.out) {
        for (int tap = 0; tap < 9; ++tap) from[tap] = w + (int64_t{o} * 9 + tap) * s.in;
        winograd_kernels()->weights(from, rows, s.in, false);
      } else {
        std::fill_n(planes, winograd_planes * plane_stride(1, s.in), Scalar{0});
      }
      for (int p = 0; p < winograd_planes; ++p) {
        for (int i = 0; i < s.in; ++i) to[p * stride + int64_t{i} * width + j] = rows[p][i];
      }
    }
  });
  std::fill_n(packed.data() + size, s.in, Scalar{0});  // what padding reads
  return packed;
}

void conv_forward_winograd(const ConvForward& c) {
  const TileKernels& t = *tile_kernels();
  const ConvShape& s = c.shape;
  Tensor own;
  if (c.packed == nullptr) own = conv_pack_winograd(s, c.w);
  const Scalar* packed = c.packed != nullptr ? c.packed : own.data();
  const Scalar* zeros = packed + winograd_planes * weights_stride(s, t);
  const WinogradTiles tiles(s);
  const int64_t rows = chunk_tiles(s, t, tiles.count);
  const int wide = 2 * t.lanes, padded = rounded_up(s.out, t.lanes);
  parallel_ranges(tiles.count, rows, [&](int64_t begin, int64_t end) {
    const Chunk chunk{begin, end - begin, rounded_up(static_cast<int>(end - begin), t.pixels)};
    auto planes = [&](int channels) {
      return static_cast<size_t>(winograd_planes * plane_stride(chunk.rows, channels));
    };
    auto* inputs = thread_scratch<Scalar>(0, planes(s.in));
    auto* products = thread_scratch<Scalar>(1, planes(wide));
    auto* sink = thread_scratch<Scalar>(2, static_cast<size_t>(wide));
    if (c.add) std::fill_n(sink, wide, Scalar{0});
    transform_inputs(c, tiles, chunk, zeros, inputs);
    for (int o = 0; o < padded;) {
      const int width = padded - o > t.lanes ? wide : t.lanes;
      multiply(s, t, chunk, inputs, packed + int64_t{o} * s.in, width, products);
      transform_outputs(c, tiles, chunk, o, width, products, sink);
      o += width;
    }
    finish_tiles(c, tiles, chunk);
  });
}

}  // namespace bonsai
