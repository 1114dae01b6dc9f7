// Backward-weights by Winograd's F(3x3, 4x4), a block of the weights at a time, alone or together
// with backward-data. The filter is x, in tiles of 4x4 pixels, and what it meets are the 6x6
// squares of dy that backward-data reads for the same pixels, which are transformed once for both.
// In rounds of a few tiles dy and x are transformed, the latter a slice of channels at a time, then
// each plane adds its products, dy^T x, to its own sums [out][in]: vectors hold inputs, which are
// many also where outputs are few (DenseNets), and the gradient comes out in the order of the
// weights. Meanwhile the pixels of the next slice or round are asked for. The sums are transformed
// at the end.
#include <algorithm>
#include <bit>

#include "engine/ceil_div.h"
#include "engine/kernels/ahead.h"
#include "engine/kernels/conv_winograd.h"
#include "engine/kernels/finish.h"
#include "engine/kernels/winograd_sums.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

struct Channels {
  int from, count;

  // Run i of `most` channels, the last of what is left.
  static Channels run(int channels, int most, int64_t i) {
    const auto from = static_cast<int>(i * most);
    return {from, std::min(most, channels - from)};
  }
};

// A rectangle of the weights, whose sums are [plane][out][in padded].
struct Block {
  Channels in, out;
  int pitch;
  int64_t plane;

  Block(const Channels& of_in, const Channels& of_out, int lanes)
      : in(of_in),
        out(of_out),
        pitch(rounded_up(in.count, lanes)),
        plane(plane_stride(out.count, pitch)) {}
  int64_t size() const { return winograd_planes * plane; }
};

// Input channels of a block that are transformed and multiplied at a time.
struct Slice {
  int from, count, padded;

  Slice(const Block& b, int first, int most, int lanes)
      : from(first), count(std::min(most, b.in.count - first)), padded(rounded_up(count, lanes)) {}
};

struct Round {
  int64_t first;
  int count;
};

// A call, as the convolution of dy that backward-data is: x is where that one writes.
struct Call {
  const ConvBackwardWeights& c;
  ConvShape turned = conv_flipped(c.shape);
  WinogradTiles tiles{turned};
};

// What is transformed and multiplied, and where the sums are.
struct Part {
  const Call& call;
  const Block& block;
  int64_t first, last;  // tiles
  Scalar* sums;
};

Tensor buffer(int64_t tiles, int channels) {
  return Tensor::uninitialized({static_cast<int>(tiles), static_cast<int>(tile_stride(channels))});
}

// errors [tile][plane][out].
void transform_errors(const Part& p, const Round& round, Scalar* errors) {
  const Call& call = p.call;
  const Channels& out = p.block.out;
  call.tiles.each_in_parallel(round.first, round.count, [&](int64_t i, const WinogradPlace& at) {
    Scalar* to = errors + i * tile_stride(out.count);
    winograd_kernels()->input(input_square(call.turned, at, call.c.dy + out.from),
                              whole_square(to, winograd_reach, out.count), out.count, false);
  });
}

// The pixels of x that the next slice or round reads, and (`with_errors`) those of dy where it is a
// round: a share for each transform of a tile and each plane.
WinogradNext next_pixels(const Part& p, const Slice& next, const Round& round, bool with_errors) {
  const ConvBackwardWeights& c = p.call.c;
  const WinogradTiles& tiles = p.call.tiles;
  const ConvShape& s = c.shape;
  const Channels& out = p.block.out;
  const int64_t shares = round.count + winograd_planes;
  const bool other_round = next.from == 0;
  const int64_t end = round.first + round.count, after = std::min(p.last, end + round.count);
  auto x_before = [&](int64_t tile) { return tiles.pixels_before(tile, s.h, s.w); };
  auto dy_before = [&](int64_t tile) { return tiles.pixels_before(tile, s.out_h, s.out_w); };
  const int64_t x = x_before(other_round ? end : round.first), dy = dy_before(end);
  return {{c.x + x * s.in + p.block.in.from + next.from, x_before(other_round ? after : end) - x,
           next.count, s.in, shares},
          {c.dy + dy * s.out + out.from, with_errors && other_round ? dy_before(after) - dy : 0,
           out.count, s.out, shares}};
}

// inputs [tile][plane][slice padded].
void transform_inputs(const Part& p, const Slice& slice, const Round& round,
                      const WinogradNext& next, Scalar* inputs) {
  const Call& call = p.call;
  const Scalar* x = call.c.x + p.block.in.from + slice.from;
  call.tiles.each_in_parallel(round.first, round.count, [&](int64_t i, const WinogradPlace& at) {
    next.fetch(i);
    Scalar* to = inputs + i * tile_stride(slice.padded);
    winograd_kernels()->filter(output_square(call.turned, at, x),
                               whole_square(to, winograd_reach, slice.padded), slice.count, false);
    if (slice.count == slice.padded) return;
    for (int plane = 0; plane < winograd_planes; ++plane, to += slice.padded) {
      std::fill(to + slice.count, to + slice.padded, Scalar{0});
    }
  });
}

// sums (+)= errors^T inputs.
void add_products(const Part& p, const Slice& slice, const Round& round, const Scalar* errors,
                  const Scalar* inputs, const WinogradNext& next) {
  const Block& b = p.block;
  const WinogradPlanes of_errors{errors, tile_stride(b.out.count), b.out.count};
  const WinogradPlanes of_inputs{inputs, tile_stride(slice.padded), slice.padded};
  parallel_ranges(winograd_planes, 3, [&](int64_t begin, int64_t end) {
    winograd_sums()(of_errors, of_inputs, round.count, static_cast<int>(begin),
                    static_cast<int>(end), p.sums + slice.from, b.plane, b.pitch,
                    round.first > p.first, next, round.count + begin);
  });
}

// Adds a round, whose errors are transformed, to the sums: `channels` of x at a time, transformed
// into `inputs`.
void add_round(const Part& p, const Round& round, const Scalar* errors, bool next_errors,
               int channels, Scalar* inputs) {
  const Block& b = p.block;
  const int lanes = tile_kernels()->lanes;
  for (int from = 0; from < b.in.count; from += channels) {
    const int then = from + channels < b.in.count ? from + channels : 0;
    const Slice slice(b, from, channels, lanes), next_slice(b, then, channels, lanes);
    const WinogradNext next = next_pixels(p, next_slice, round, next_errors);
    transform_inputs(p, slice, round, next, inputs);
    add_products(p, slice, round, errors, inputs, next);
  }
}

int channels_at_once(const Block& b) {
  return std::min(b.pitch, slice_channels(b.in.count, tile_kernels()->wide()));
}

// The sums of a part, in rounds of a few tiles: a few more where reading the sums again costs more.
void sum_tiles(const Part& p) {
  constexpr int64_t near = int64_t{256} << 10;
  const Block& b = p.block;
  const int64_t most_tiles = b.size() * int64_t{sizeof(Scalar)} <= near ? 48 : 64;
  const int channels = channels_at_once(b);
  const int64_t rounds = ceil_div(p.last - p.first, most_tiles);
  const int64_t per_round = ceil_div(p.last - p.first, rounds);
  const Tensor inputs = buffer(per_round, channels), errors = buffer(per_round, b.out.count);
  for (int64_t begin = p.first; begin < p.last; begin += per_round) {
    const Round round{begin, static_cast<int>(std::min(per_round, p.last - begin))};
    transform_errors(p, round, errors.data());
    add_round(p, round, errors.data(), true, channels, inputs.data());
  }
}

// dw (+)= the transform of a block's sums, whose taps come out backwards: tap k of x and dy that
// lie k - padding apart.
void transform_sums(const ConvBackwardWeights& c, const Block& b, const Scalar* sums) {
  constexpr int taps = 9;
  const int in = c.shape.in;
  parallel_ranges(b.out.count, 4, [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      Scalar* last_tap = c.dw + ((b.out.from + o) * taps + taps - 1) * in + b.in.from;
      winograd_kernels()->gradient(whole_square(sums + o * b.pitch, winograd_reach, b.plane),
                                   whole_square(last_tap, 3, -in), b.in.count, c.add);
    }
  });
}

// Each part of the tiles has sums of its own, which are added in order. sum(part) takes them.
template <class Sum>
void sum_block(const Call& call, const Block& block, int parts, const Sum& sum) {
  const int64_t size = block.size(), tiles = call.tiles.count;
  const Tensor sums =
      Tensor::uninitialized({parts, winograd_planes, static_cast<int>(block.plane)});
  parallel_chunks(parts, [&](int64_t i) {
    sum(Part{call, block, i * tiles / parts, (i + 1) * tiles / parts, sums.data() + i * size});
  });
  add_parts(sums.data() + size, parts - 1, size, sums.data(), true);
  transform_sums(call.c, block, sums.data());
}

// A call of few tiles has few parts, since each costs a pass over its sums; a power of two leaves
// no thread without its share.
int parts_of(const Call& call, const Block& block) {
  constexpr int64_t part_tiles = 96, most_scalars = int64_t{1} << 22, most_parts = 16;
  const int64_t affordable = std::min(most_parts, most_scalars / block.size());
  const int64_t parts = std::clamp<int64_t>(call.tiles.count / part_tiles, 1, affordable);
  return static_cast<int>(std::bit_floor(static_cast<uint64_t>(parts)));
}

// Of as few shares as there can be of at most so many channels, nearly equal ones.
int equal_share(int channels, int most) {
  const int shares = ceil_div(channels, most);
  return ceil_div(channels, shares);
}

// Many weights are cut into blocks of so many, whose sums stay in the caches over all tiles; that
// the pixels are transformed for each of them costs less.
constexpr int64_t most_weights = int64_t{1} << 15;
constexpr int most_in = 256;

}  // namespace

// A call passes over its sums a few times, and once for every tile.
bool conv_backward_weights_winograd_in_blocks(const ConvShape& s) {
  return int64_t{s.in} * s.out <= 128 * WinogradTiles(s).count;
}

void conv_backward_weights_winograd(const ConvBackwardWeights& c) {
  const Call call{c};
  const ConvShape& s = c.shape;
  const int lanes = tile_kernels()->lanes;
  const int widest = int64_t{s.in} * s.out <= most_weights ? s.in : most_in;
  const int in = rounded_up(equal_share(s.in, widest), tile_kernels()->wide());
  const int out = equal_share(s.out, static_cast<int>(most_weights / in));
  const int64_t across = ceil_div(s.in, in), blocks = across * ceil_div(s.out, out);
  auto block = [&](int64_t i) {
    return Block(Channels::run(s.in, in, i % across), Channels::run(s.out, out, i / across), lanes);
  };
  // Threads share the blocks, or the tiles of a single one, which takes sums for each part of them.
  const int parts = blocks > 1 ? 1 : parts_of(call, block(0));
  parallel_chunks(blocks, [&](int64_t i) { sum_block(call, block(i), parts, sum_tiles); });
}

bool conv_backward_winograd_fits(const ConvShape& s) {
  return conv_winograd_fits(s) && conv_winograd_fits(conv_flipped(s)) &&
         int64_t{s.in} * s.out <= most_weights && conv_winograd_reads_at_once(conv_flipped(s));
}

void conv_backward_winograd(const ConvBackwardData& data, const ConvBackwardWeights& weights) {
  const Call call{weights};
  const ConvShape& s = weights.shape;
  const Tensor own =
      data.packed == nullptr ? conv_pack_flipped_winograd(call.turned, data.w) : Tensor();
  const ConvForward by_data{.shape = call.turned,
                            .x = data.dy,
                            .w = data.w,
                            .b = nullptr,
                            .y = data.dx,
                            .add = data.add,
                            .packed = own.defined() ? own.data() : data.packed,
                            .plan = data.plan};
  const Block block({0, s.in}, {0, s.out}, tile_kernels()->lanes);
  const int channels = channels_at_once(block);
  sum_block(call, block, parts_of(call, block), [&](const Part& part) {
    const Tensor inputs = buffer(winograd_chunk, channels);
    conv_winograd_tiles(by_data, part.first, part.last, [&](const WinogradChunk& chunk) {
      add_round(part, {chunk.first, chunk.count}, chunk.inputs, false, channels, inputs.data());
    });
  });
}

}  // namespace bonsai
