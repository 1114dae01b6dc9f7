// Backward-weights without im2col: dw[o, tap, i] = sum over pixels of dy[p, o] x[p at tap, i].
// A register tile keeps a few inputs times a block of output channels while it runs over a block
// of pixels; dy is copied once per block into [out block][pixel][block] order, so that it is read
// in sequence for every tap and input, unless its pixels are few vectors and no more. Sums go to
// [tap][in][out padded] and are turned into dw's layout at the end.
#include <algorithm>

#include "engine/ceil_div.h"
#include "engine/kernels/conv.h"
#include "engine/kernels/conv_pixels.h"
#include "engine/kernels/finish.h"
#include "engine/kernels/tile.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

constexpr int block_pixels = 128;

// The outputs [from, from + width) of one group: `padded` of them with the tail's zeros.
struct Slice {
  int group, from, width, padded;
};

// Whether dy is read where it lies: the slice is whole pixels, which are whole vectors.
bool in_place(const ConvShape& s, const Slice& slice) {
  return slice.width == s.out && slice.padded == s.out;
}

// packed [block][count][block width] of dy's columns in the slice, zeros in the tail.
void pack_errors(const ConvShape& s, const TileKernels& t, const Slice& slice, const Scalar* dy,
                 int64_t first, int count, Scalar* packed) {
  const int64_t column = int64_t{slice.group} * s.group_out() + slice.from;
  for (int o = 0; o < slice.padded;) {
    const int width = t.width(slice.padded - o);
    const int columns = std::min(width, slice.width - o);
    for (int p = 0; p < count; ++p, packed += width) {
      const Scalar* from = dy + (first + p) * s.out + column + o;
      std::copy_n(from, columns, packed);
      std::fill_n(packed + columns, width - columns, Scalar{0});
    }
    o += width;
  }
}

// sums [tap][in][padded] += the share of the pixels [first, last).
void add_range(const ConvBackwardWeights& c, const TileKernels& t, const Slice& slice,
               int64_t first, int64_t last, const Scalar* zeros, Scalar* sums) {
  const ConvShape& s = c.shape;
  auto* packed = thread_scratch<Scalar>(0, static_cast<size_t>(block_pixels * slice.padded));
  const auto** table =
      thread_scratch<const Scalar*>(1, static_cast<size_t>(block_pixels * s.taps()));
  const bool packs = !in_place(s, slice);
  const int tiles = ceil_div(s.group_in(), t.pixels);
  const int blocks = t.blocks(slice.padded);
  const int64_t offset = int64_t{slice.group} * s.group_in();
  for (int64_t begin = first; begin < last; begin += block_pixels) {
    const auto count = static_cast<int>(std::min<int64_t>(block_pixels, last - begin));
    if (packs) pack_errors(s, t, slice, c.dy, begin, count, packed);
    fill_pixel_table(s, c.x, zeros, begin, 1, count, table);
    const Scalar* dy = packs ? packed : c.dy + begin * s.out;
    BackwardAhead ahead;
    // With more slices, x is in the cache already.
    if (slice.width == s.group_out()) {
      ahead.x = reads_ahead(s, c.x, begin + count, count,
                            s.taps() * tiles * blocks * BackwardAhead::times(count));
    }
    for (int tap = 0; tap < s.taps(); ++tap) {
      for (int tile = 0; tile < tiles; ++tile) {
        const int i = s.group_in() * tile / tiles, end = s.group_in() * (tile + 1) / tiles;
        for (int o = 0; o < slice.padded;) {
          const int width = t.width(slice.padded - o);
          t.weights(width)(table + int64_t{tap} * count, offset + i, end - i,
                           dy + int64_t{o} * (packs ? count : 1), packs ? width : s.out, count,
                           sums + (int64_t{tap} * s.group_in() + i) * slice.padded + o,
                           slice.padded, ahead);
          o += width;
        }
      }
    }
  }
}

// dw (+)= sums, from [tap][in][padded] to [out][tap][in].
void turn(const ConvBackwardWeights& c, const Slice& slice, const Scalar* sums) {
  const ConvShape& s = c.shape;
  constexpr int run = 16;  // terms turned around at a time, so that rows are read in runs
  const int depth = s.depth();
  for (int first = 0; first < depth; first += run) {
    const int last = std::min(depth, first + run);
    for (int o = 0; o < slice.width; ++o) {
      Scalar* dw = c.dw + (int64_t{slice.group} * s.group_out() + slice.from + o) * depth;
      for (int k = first; k < last; ++k) {
        dw[k] = (c.add ? dw[k] : Scalar{0}) + sums[int64_t{k} * slice.padded + o];
      }
    }
  }
}

}  // namespace

void conv_backward_weights_direct(const ConvBackwardWeights& c) {
  const TileKernels& t = *tile_kernels();
  const ConvShape& s = c.shape;
  const Tensor zeros({s.in});
  // Slices of output channels share the work first; where they are few, shares of the pixels
  // with a copy of the sums each, added in order.
  const int widest = std::min(rounded_up(s.group_out(), t.lanes), std::max(t.wide(), 64));
  const int slices = ceil_div(s.group_out(), widest);
  const int64_t owners = int64_t{s.groups} * slices;
  const int64_t wanted = std::max<int64_t>(1, 16 / owners);
  const int64_t share = std::max<int64_t>(2 * block_pixels, ceil_div(s.pixels(), wanted));
  const int parts = static_cast<int>(ceil_div(s.pixels(), share));
  const int64_t size = int64_t{s.depth()} * widest;
  const Tensor sums =
      Tensor::uninitialized({static_cast<int>(owners), parts, static_cast<int>(size)});
  auto slice_of = [&](int64_t owner) {
    const int from = static_cast<int>(owner % slices) * widest;
    const int width = std::min(widest, s.group_out() - from);
    return Slice{static_cast<int>(owner / slices), from, width, rounded_up(width, t.lanes)};
  };
  parallel_chunks(owners * parts, [&](int64_t chunk) {
    const int64_t part = chunk % parts;
    Scalar* sum = sums.data() + chunk * size;
    std::fill_n(sum, size, Scalar{0});
    add_range(c, t, slice_of(chunk / parts), part * share, std::min(s.pixels(), (part + 1) * share),
              zeros.data(), sum);
  });
  parallel_chunks(owners, [&](int64_t owner) {
    Scalar* sum = sums.data() + owner * parts * size;
    add_parts(sum + size, parts - 1, size, sum, true);
    turn(c, slice_of(owner), sum);
  });
}

}  // namespace bonsai
