// Direct convolution as an implicit matrix product, without im2col: a register tile holds a few
// output pixels times a block of output channels over the whole sum. For each tap a table gives
// the pixels' addresses in the image (a row of zeros stands for padding), so stride, padding and
// dilation cost nothing in the inner loop and a tile may span lines and images. Weights are
// packed [out block][tap][in][block]. Few output channels or an odd number cost a tail, no more.
// While a chunk of tiles is computed, what the next one reads and writes is asked for.
#include <algorithm>

#include "engine/ceil_div.h"
#include "engine/kernels/ahead.h"
#include "engine/kernels/conv.h"
#include "engine/kernels/conv_pixels.h"
#include "engine/kernels/finish.h"
#include "engine/kernels/tile.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

// Packed, a group's weights take this many scalars per tap and input.
int padded_out(const ConvShape& s, const TileKernels& t) {
  return rounded_up(s.group_out(), t.lanes);
}

// How the work is cut: chunks of tiles, small enough that a single image still gives every thread
// its share, and where these are too few (small maps), pieces of the output channels too.
struct Cut {
  int64_t tiles, tiles_per_chunk, chunks;
  int pieces, piece_width;  // in channels of a group

  Cut(const ConvShape& s, const TileKernels& t) {
    tiles = ceil_div(s.pixels(), t.pixels);
    const int64_t most = 96 / t.pixels;  // the weights of a block are read once for so many
    tiles_per_chunk = std::min(tiles, std::clamp<int64_t>(tiles / 12, 2, most));
    chunks = ceil_div(tiles, tiles_per_chunk);
    const int blocks = t.blocks(s.group_out());
    const auto wanted = static_cast<int>(std::max<int64_t>(1, 16 / chunks));
    const int per_piece = ceil_div(blocks, std::min(blocks, wanted));
    piece_width = per_piece * t.wide();
    pieces = ceil_div(s.group_out(), piece_width);
  }
};

struct Block {
  const Scalar* const* pixels;  // the tile's addresses, [taps][pixels]
  int64_t first_pixel, pixel_count;
  int group, o, width;  // `width` of the packed block, `o` within the group
};

void run_block(const ConvForward& c, const TileKernels& t, const Scalar* w, const Block& b,
               ForwardAhead& ahead) {
  const ConvShape& s = c.shape;
  const int64_t column = int64_t{b.group} * s.group_out() + b.o;
  forward_pixels(t, static_cast<int>(b.pixel_count), b.width, b.pixels, s.taps(), s.group_in(),
                 int64_t{b.group} * s.group_in(), w, c.y + b.first_pixel * s.out + column, s.out,
                 std::min(b.width, s.group_out() - b.o), c.add, ahead);
}

void run_chunk(const ConvForward& c, const TileKernels& t, const Cut& cut, const Scalar* packed,
               const Scalar* zeros, int64_t chunk) {
  const ConvShape& s = c.shape;
  const int64_t first_tile = chunk / cut.pieces * cut.tiles_per_chunk;
  const int64_t last_tile = std::min(cut.tiles, first_tile + cut.tiles_per_chunk);
  const int from = static_cast<int>(chunk % cut.pieces) * cut.piece_width;
  const int to = std::min(s.group_out(), from + cut.piece_width);
  const int64_t tile_size = int64_t{s.taps()} * t.pixels;
  const int64_t first = first_tile * t.pixels;
  const int64_t count = std::min(s.pixels(), last_tile * t.pixels) - first;
  const auto** table =
      thread_scratch<const Scalar*>(0, static_cast<size_t>(cut.tiles_per_chunk * tile_size));
  fill_pixel_table(s, c.x, zeros, first, last_tile - first_tile, t.pixels, table);
  const int shares = s.groups * t.blocks(to - from) * static_cast<int>(last_tile - first_tile) *
                     s.taps() * ForwardAhead::times(s.group_in());
  ForwardAhead ahead{reads_ahead(s, c.x, first + count, count, shares),
                     {c.y + (first + count) * s.out, count * s.out, shares}};
  for (int g = 0; g < s.groups; ++g) {
    const Scalar* group_weights = packed + int64_t{g} * s.depth() * padded_out(s, t);
    for (int o = from; o < to;) {
      const int width = t.width(to - o);
      for (int64_t tile = 0; tile < last_tile - first_tile; ++tile) {
        const int64_t pixel = first + tile * t.pixels;
        run_block(c, t, group_weights + int64_t{o} * s.depth(),
                  {table + tile * tile_size, pixel,
                   std::min<int64_t>(t.pixels, first + count - pixel), g, o, width},
                  ahead);
      }
      o += width;
    }
    if (c.b == nullptr && c.activation.kind == Activation::none) continue;
    const int o = g * s.group_out() + from;
    finish_rows(c.y + first * s.out + o, count, to - from, s.out,
                c.b != nullptr ? c.b + o : nullptr, c.activation);
  }
}

// pack(group, o, width, to) writes a block of a group's output channels: [tap][in][width].
template <class Pack>
Tensor pack_blocks(const ConvShape& s, const Pack& pack) {
  const TileKernels& t = *tile_kernels();
  const int padded = padded_out(s, t), wide = t.wide(), blocks = t.blocks(padded);
  const int64_t group_size = int64_t{s.depth()} * padded;
  Tensor packed = Tensor::uninitialized({static_cast<int>(conv_packed_direct_size(s))});
  parallel_chunks(int64_t{s.groups} * blocks, [&](int64_t chunk) {
    const auto g = static_cast<int>(chunk / blocks);
    const int o = static_cast<int>(chunk % blocks) * wide;
    pack(g, o, std::min(wide, padded - o), packed.data() + g * group_size + int64_t{o} * s.depth());
  });
  std::fill_n(packed.data() + s.groups * group_size, s.in, Scalar{0});  // what padding reads
  return packed;
}

}  // namespace

bool conv_direct_fits(const ConvShape& s) { return tile_kernels() != nullptr && s.group_out() > 1; }

int64_t conv_packed_direct_size(const ConvShape& s) {
  return int64_t{s.groups} * s.depth() * padded_out(s, *tile_kernels()) + s.in;
}

Tensor conv_pack_direct(const ConvShape& s, const Scalar* w) {
  constexpr int run = 16;  // terms turned around at a time, so that a row is read in runs
  const int depth = s.depth();
  return pack_blocks(s, [&](int g, int o, int width, Scalar* to) {
    for (int first = 0; first < depth; first += run) {
      const int last = std::min(depth, first + run);
      for (int j = 0; j < width; ++j) {
        const bool inside = o + j < s.group_out();
        const Scalar* from = w + (int64_t{g} * s.group_out() + o + j) * depth;
        fetch_line<Use::read>(from + last);
        for (int k = first; k < last; ++k)
          to[int64_t{k} * width + j] = inside ? from[k] : Scalar{0};
      }
    }
  });
}

Tensor conv_pack_flipped_direct(const ConvShape& s, const Scalar* w) {
  return pack_blocks(s, [&](int g, int o, int width, Scalar* to) {
    const int columns = std::min(width, s.group_out() - o);
    for (int tap = s.taps() - 1; tap >= 0; --tap) {
      for (int i = 0; i < s.group_in(); ++i, to += width) {
        const int64_t row = (int64_t{g} * s.group_in() + i) * s.taps() + tap;
        std::copy_n(w + row * s.group_out() + o, columns, to);
        std::fill(to + columns, to + width, Scalar{0});
      }
    }
  });
}

void conv_forward_direct(const ConvForward& c) {
  const TileKernels& t = *tile_kernels();
  const ConvShape& s = c.shape;
  Tensor own;
  if (c.packed == nullptr) own = conv_pack_direct(s, c.w);
  const Scalar* packed = c.packed != nullptr ? c.packed : own.data();
  const Scalar* zeros = packed + int64_t{s.groups} * s.depth() * padded_out(s, t);
  const Cut cut(s, t);
  parallel_chunks(cut.chunks * cut.pieces,
                  [&](int64_t chunk) { run_chunk(c, t, cut, packed, zeros, chunk); });
}

}  // namespace bonsai
