// Winograd's convolution, forward (backward-data is the same with the weights turned around).
// A chunk of tiles is transformed into [tile][plane][in]; each of the 36 planes is multiplied by
// its plane of the weights with a register tile like that of the direct row, one block of output
// channels at a time, and the block's products [tile][plane][block] are transformed back while they
// are in cache. A tile's planes lie side by side, so that it is written in one run. Weights are
// packed [plane][out block][in][block], four times their size. Where they are close by, each
// register tile meets all planes. Where they are not, all tiles of a chunk meet a plane before the
// next one, whose weights are asked for meanwhile: they are read once per chunk, and come from so
// far that nothing else would hide it. While a block is multiplied, the pixels of y that it writes,
// and a share of those of x that the next chunk reads, are asked for. A call that finds few tiles
// for many weights packs each block when it reads it. Where all outputs are one block, the inputs
// are taken a slice at a time, since no other block wants them again: a chunk of many input
// channels would not stay in the second cache.
#include "engine/kernels/conv_winograd.h"

#include <algorithm>

#include "engine/ceil_div.h"
#include "engine/kernels/ahead.h"
#include "engine/kernels/finish.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

constexpr int64_t most_late_tiles = 128;  // of a chunk whose weights are packed when they are read

enum Scratch { inputs_scratch, products_scratch, weights_scratch, turned_scratch };

// From plane to plane of the packed weights.
int64_t weights_stride(const ConvShape& s, const TileKernels& t) {
  return plane_stride(rounded_up(s.out, t.lanes), s.in);
}

// Whether every register tile may read the weights again.
bool near_weights(const ConvShape& s, const TileKernels& t) {
  constexpr int64_t near = int64_t{1280} << 10;
  return winograd_planes * weights_stride(s, t) * int64_t{sizeof(Scalar)} <= near;
}

// Tiles per chunk: few, for the nearest cache, where the weights are close by, though a single
// image still gives every thread its share; more of them where reading the weights again costs
// more.
int64_t chunk_tiles(const ConvShape& s, const TileKernels& t, int64_t tiles) {
  const int64_t most = near_weights(s, t) ? std::min<int64_t>(24, ceil_div(tiles, 4)) : 64;
  const int64_t chunks = ceil_div(tiles, most);
  return ceil_div(tiles, chunks);
}

struct Chunk {
  int64_t first, count;  // tiles
};

// Input channels that are transformed and multiplied at a time.
struct Slice {
  int from, count;
};

Slice slice_from(int from, int most, const ConvShape& s) {
  return {from, std::min(most, s.in - from)};
}

void transform_inputs(const ConvForward& c, const WinogradTiles& tiles, const Chunk& chunk,
                      const Slice& slice, Scalar* inputs) {
  const ConvShape& s = c.shape;
  const auto transform = winograd_kernels()->input;
  const bool first = chunk.first == 0 && slice.from == 0;
  const int64_t asked = first ? tiles.pixels_before(chunk.count, s.h, s.w) : 0;
  const RowsAhead<Use::read> pixels(c.x, asked, slice.count, s.in, chunk.count);
  tiles.each_in_parallel(chunk.first, chunk.count, [&](int64_t i, const WinogradPlace& at) {
    pixels.fetch(i + tiles.wide);
    Scalar* to = inputs + i * tile_stride(slice.count);
    transform(input_square(s, at, c.x + slice.from), whole_square(to, winograd_reach, slice.count),
              slice.count, false);
  });
}

// Output channels that are multiplied at a time.
struct Block {
  int from, width, index, count;
};

// While a block is multiplied: its share of what the next slice or chunk reads, and what it writes
// itself when the sums are whole.
WinogradAhead pixels_ahead(const ConvForward& c, const WinogradTiles& tiles, const Chunk& chunk,
                           const Slice& slice, int most, const Block& block, int64_t shares) {
  const ConvShape& s = c.shape;
  const int64_t end = chunk.first + chunk.count, after = std::min(tiles.count, end + chunk.count);
  const bool last = slice.from + slice.count == s.in;
  const Slice next = slice_from(last ? 0 : slice.from + slice.count, most, s);
  auto x_before = [&](int64_t tile) { return tiles.pixels_before(tile, s.h, s.w); };
  auto y_before = [&](int64_t tile) { return tiles.pixels_before(tile, s.out_h, s.out_w); };
  const int64_t x = x_before(last ? end : chunk.first), y = y_before(chunk.first);
  const int64_t pixels = x_before(last ? after : end) - x;
  const int64_t from = block.index * pixels / block.count,
                to = (block.index + 1) * pixels / block.count;
  return {{c.x + (x + from) * s.in + next.from, to - from, next.count, s.in, shares},
          {c.y + y * s.out + block.from, last ? y_before(end) - y : 0,
           std::min(block.width, s.out - block.from), s.out, shares}};
}

// A block of the packed weights: from plane to plane, and from the last one to what is read then.
struct BlockWeights {
  const Scalar* first;
  int64_t plane, next;
};

// products [tile][plane][width] (+)= inputs [tile][plane][slice] times one block of the weights.
// Register tiles are of equal height, nearly: a last one of few rows would wait for its own sums.
void multiply(const ConvShape& s, const TileKernels& t, const Chunk& chunk, const Slice& slice,
              const Scalar* inputs, const BlockWeights& weights, int width, Scalar* products,
              const WinogradAhead& next) {
  const WinogradKernels& k = *winograd_kernels();
  const auto kernel = width == t.lanes ? k.narrow : k.wide;
  const int64_t from_stride = tile_stride(slice.count), to_stride = tile_stride(width);
  const int64_t heights = ceil_div(chunk.count, t.pixels);
  const bool near = near_weights(s, t);
  const int planes = near ? winograd_planes : 1;  // in one call
  const int lines = near ? 0 : WeightsAhead::inputs * width / scalars_of_line;
  const Scalar* from = weights.first + int64_t{slice.from} * width;
  int64_t share = 0;
  for (int p = 0; p < winograd_planes; p += planes) {
    const bool last = p + planes == winograd_planes;
    for (int64_t i = 0; i < heights; ++i, share += planes) {
      const int64_t first = i * chunk.count / heights, end = (i + 1) * chunk.count / heights;
      kernel({.inputs = inputs + first * from_stride + int64_t{p} * slice.count,
              .pitch = from_stride,
              .tiles = static_cast<int>(end - first),
              .planes = planes,
              .in = slice.count,
              .weights = from + p * weights.plane,
              .plane = weights.plane,
              .products = products + first * to_stride + int64_t{p} * width,
              .stride = to_stride,
              .add = slice.from > 0},
             {.distance = last ? weights.next : weights.plane,
              .first = static_cast<int>(i * lines / heights),
              .last = static_cast<int>((i + 1) * lines / heights)},
             next, share);
    }
  }
}

void transform_outputs(const ConvForward& c, const WinogradTiles& tiles, const Chunk& chunk, int o,
                       int width, const Scalar* products) {
  const auto transform = winograd_kernels()->output;
  tiles.each(chunk.first, chunk.count, [&](int64_t i, const WinogradPlace& at) {
    const Scalar* from = products + i * tile_stride(width);
    transform(whole_square(from, winograd_reach, width), output_square(c.shape, at, c.y + o),
              std::min(width, c.shape.out - o), c.add);
  });
}

void finish_tiles(const ConvForward& c, const WinogradTiles& tiles, const Chunk& chunk) {
  if (c.b == nullptr && c.activation.kind == Activation::none) return;
  tiles.each_in_parallel(chunk.first, chunk.count, [&](int64_t, const WinogradPlace& at) {
    const auto square = output_square(c.shape, at, c.y);
    for (int line = 0; line < square.bottom; ++line) {
      finish_rows(square.pixel(line, 0), square.right, c.shape.out, c.shape.out, c.b, c.activation);
    }
  });
}

// Writes the block [o, o + width) of output channels: [plane][in][width], with `stride` scalars
// from plane to plane.
using PackBlock = void (*)(const ConvShape& s, const Scalar* w, int o, int width, int64_t stride,
                           Scalar* to);

void pack_block(const ConvShape& s, const Scalar* w, int o, int width, int64_t stride, Scalar* to) {
  constexpr int taps = 9, run = 16;  // inputs turned around at a time
  auto* turned = thread_scratch<Scalar>(turned_scratch, static_cast<size_t>(taps * run * width));
  for (int first = 0; first < s.in; first += run) {
    const int count = std::min(run, s.in - first);
    for (int j = 0; j < width; ++j) {
      const Scalar* from = w + int64_t{o + j} * taps * s.in + first;
      for (int tap = 0; tap < taps; ++tap, from += s.in) {
        fetch_line<Use::read>(from + run);
        for (int i = 0; i < count; ++i) {
          turned[(tap * run + i) * width + j] = o + j < s.out ? from[i] : Scalar{0};
        }
      }
    }
    for (int i = 0; i < count; ++i, to += width) {
      winograd_kernels()->weights(whole_square<const Scalar>(turned + i * width, 3, run * width),
                                  whole_square(to, winograd_reach, stride), width, false);
    }
  }
}

// The same from weights that are to be turned around.
void pack_flipped_block(const ConvShape& s, const Scalar* w, int o, int width, int64_t stride,
                        Scalar* to) {
  constexpr int taps = 9;
  const int columns = std::min(width, s.out - o);
  for (int i = 0; i < s.in; ++i, to += width) {
    const Scalar* last_tap = w + (int64_t{i} * taps + taps - 1) * s.out + o;
    winograd_kernels()->weights(whole_square(last_tap, 3, -s.out),
                                whole_square(to, winograd_reach, stride), columns, false);
    for (int p = 0; p < winograd_planes; ++p) {
      std::fill(to + p * stride + columns, to + p * stride + width, Scalar{0});
    }
  }
}

Tensor pack_blocks(const ConvShape& s, const Scalar* w, PackBlock pack) {
  const TileKernels& t = *tile_kernels();
  const int64_t stride = weights_stride(s, t);
  Tensor packed = Tensor::uninitialized({winograd_planes, static_cast<int>(stride)});
  const int wide = t.wide(), padded = rounded_up(s.out, t.lanes);
  parallel_chunks(t.blocks(padded), [&](int64_t block) {
    const int o = static_cast<int>(block) * wide;
    pack(s, w, o, std::min(wide, padded - o), stride, packed.data() + int64_t{o} * s.in);
  });
  return packed;
}

// The weights of one call: as it has them, packed now, or (`late`) each block when it is read, by
// the thread that reads it, so that they never go to memory.
class PackedWeights {
 public:
  PackedWeights(const ConvForward& c, bool late)
      : shape_(c.shape), w_(c.w), pack_(c.flipped ? pack_flipped_block : pack_block) {
    if (c.packed == nullptr && !late) own_ = pack_blocks(shape_, w_, pack_);
    packed_ = own_.defined() ? own_.data() : c.packed;
  }

  BlockWeights block(const Block& b) const {
    if (packed_ == nullptr) {
      const int64_t plane = plane_stride(b.width, shape_.in);
      auto* to =
          thread_scratch<Scalar>(weights_scratch, static_cast<size_t>(winograd_planes * plane));
      pack_(shape_, w_, b.from, b.width, plane, to);
      return {to, plane, 0};
    }
    const int64_t plane = weights_stride(shape_, *tile_kernels());
    return {packed_ + int64_t{b.from} * shape_.in, plane,
            int64_t{b.width} * shape_.in - (winograd_planes - 1) * plane};
  }

 private:
  const ConvShape& shape_;
  const Scalar* w_;
  PackBlock pack_;
  Tensor own_{};
  const Scalar* packed_;
};

// Input channels at a time. Slices only of a single block: its products stay with this thread from
// one to the next.
int most_channels(const ConvShape& s) {
  return tile_kernels()->blocks(s.out) == 1 ? slice_channels(s.in, tile_kernels()->lanes) : s.in;
}

// A chunk of tiles. `read`, if any, sees its inputs before the outputs are written.
void convolve(const ConvForward& c, const WinogradTiles& tiles, const PackedWeights& weights,
              const Chunk& chunk, const std::function<void(const WinogradChunk&)>& read) {
  const TileKernels& t = *tile_kernels();
  const ConvShape& s = c.shape;
  const int wide = t.wide(), padded = rounded_up(s.out, t.lanes);
  const int most = most_channels(s), blocks = t.blocks(s.out);
  const int64_t shares = ceil_div(chunk.count, t.pixels) * winograd_planes;
  auto scratch = [&](Scratch slot, int channels) {
    return thread_scratch<Scalar>(slot, static_cast<size_t>(chunk.count * tile_stride(channels)));
  };
  auto* inputs = scratch(inputs_scratch, std::min(most, s.in));
  for (int from = 0; from < s.in; from += most) {
    const Slice slice = slice_from(from, most, s);
    transform_inputs(c, tiles, chunk, slice, inputs);
    if (read) read({chunk.first, static_cast<int>(chunk.count), inputs});
    parallel_chunks(blocks, [&](int64_t index) {
      const int o = static_cast<int>(index) * wide;
      const Block block{o, std::min(wide, padded - o), static_cast<int>(index), blocks};
      auto* products = scratch(products_scratch, wide);
      multiply(s, t, chunk, slice, inputs, weights.block(block), block.width, products,
               pixels_ahead(c, tiles, chunk, slice, most, block, shares));
      if (from + most >= s.in) transform_outputs(c, tiles, chunk, o, block.width, products);
    });
  }
  finish_tiles(c, tiles, chunk);
}

}  // namespace

bool conv_winograd_fits(const ConvShape& s) {
  if (s.kh != 3 || s.kw != 3 || s.stride != 1 || s.dilation != 1 || s.groups != 1) return false;
  if (tile_kernels() == nullptr || s.in < 8 || s.out < 8) return false;
  const WinogradTiles tiles(s);
  const int64_t covered = tiles.count * winograd_tile * winograd_tile;
  return covered <= 2 * s.pixels() && tiles.count >= 32;
}

Tensor conv_pack_winograd(const ConvShape& s, const Scalar* w) {
  return pack_blocks(s, w, pack_block);
}

Tensor conv_pack_flipped_winograd(const ConvShape& s, const Scalar* w) {
  return pack_blocks(s, w, pack_flipped_block);
}

bool conv_winograd_reads_at_once(const ConvShape& s) { return most_channels(s) >= s.in; }

void conv_winograd_tiles(const ConvForward& c, int64_t first, int64_t last,
                         const std::function<void(const WinogradChunk&)>& read) {
  const WinogradTiles tiles(c.shape);
  const PackedWeights weights(c, false);
  const int64_t chunks = ceil_div(last - first, winograd_chunk);
  for (int64_t i = 0; i < chunks; ++i) {
    const int64_t begin = first + i * (last - first) / chunks;
    const int64_t end = first + (i + 1) * (last - first) / chunks;
    convolve(c, tiles, weights, {begin, end - begin}, read);
  }
}

void conv_forward_winograd(const ConvForward& c) {
  const TileKernels& t = *tile_kernels();
  const WinogradTiles tiles(c.shape);
  int64_t most_tiles = chunk_tiles(c.shape, t, tiles.count);
  // Threads share the chunks, or the blocks of each where these are more.
  const bool share_blocks = t.blocks(c.shape.out) > ceil_div(tiles.count, most_tiles);
  const bool late = c.packed == nullptr && share_blocks && tiles.count <= most_late_tiles;
  if (late) most_tiles = tiles.count;
  const PackedWeights weights(c, late);
  const auto some = [&](int64_t begin, int64_t end) {
    convolve(c, tiles, weights, {begin, end - begin}, nullptr);
  };
  if (!share_blocks) return parallel_ranges(tiles.count, most_tiles, some);
  for (int64_t begin = 0; begin < tiles.count; begin += most_tiles) {
    some(begin, std::min(tiles.count, begin + most_tiles));
  }
}

}  // namespace bonsai
