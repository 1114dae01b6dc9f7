// What the forward and the backward-weights pass of Winograd's convolution share: how the output
// is cut into 4x4 tiles, and which pixels each of them reads.
#pragma once

#include <algorithm>
#include <functional>

#include "engine/ceil_div.h"
#include "engine/kernels/conv.h"
#include "engine/kernels/tile.h"
#include "engine/kernels/winograd.h"
#include "engine/parallel.h"

namespace bonsai {

// Where a tile's outputs start.
struct WinogradPlace {
  int64_t image;
  int top, left;
};

// The tiles of all images, numbered in line order.
struct WinogradTiles {
  int high, wide;
  int64_t count;

  explicit WinogradTiles(const ConvShape& s)
      : high(ceil_div(s.out_h, winograd_tile)),
        wide(ceil_div(s.out_w, winograd_tile)),
        count(int64_t{s.n} * high * wide) {}

  // body(i, place) for the tiles first + i, i < n: without a division for each.
  template <class Body>
  void each(int64_t first, int64_t n, const Body& body) const {
    WinogradPlace place{first / (int64_t{high} * wide),
                        static_cast<int>(first / wide % high) * winograd_tile,
                        static_cast<int>(first % wide) * winograd_tile};
    for (int64_t i = 0; i < n; ++i) {
      body(i, place);
      if ((place.left += winograd_tile) < wide * winograd_tile) continue;
      place.left = 0;
      if ((place.top += winograd_tile) < high * winograd_tile) continue;
      place.top = 0;
      ++place.image;
    }
  }

  // The same, a share of the tiles for every thread.
  template <class Body>
  void each_in_parallel(int64_t first, int64_t n, const Body& body) const {
    parallel_ranges(n, 8, [&](int64_t begin, int64_t end) {
      each(first + begin, end - begin,
           [&](int64_t i, const WinogradPlace& at) { body(begin + i, at); });
    });
  }

  // About how many pixels of images of this size lie before a tile's: exact where a line of tiles
  // begins.
  int64_t pixels_before(int64_t tile, int h, int w) const {
    return tile * h * w / (int64_t{high} * wide);
  }
};

// The square of `side` that starts at (top, left) of image n in images [n, h, w, channels].
template <class Value>
PixelSquare<Value> square_at(Value* images, int side, int64_t n, int top, int left, int h, int w,
                             int channels) {
  const int64_t at = ((n * h + top) * w + left) * channels;
  return {images,
          at,
          int64_t{w} * channels,
          channels,
          std::max(0, -top),
          std::min(side, h - top),
          std::max(0, -left),
          std::min(side, w - left)};
}

// The 6x6 inputs that a tile reads.
inline PixelSquare<const Scalar> input_square(const ConvShape& s, const WinogradPlace& at,
                                              const Scalar* x) {
  return square_at(x, winograd_reach, at.image, at.top - s.padding, at.left - s.padding, s.h, s.w,
                   s.in);
}

// The 4x4 outputs of a tile in y or dy.
template <class Value>
PixelSquare<Value> output_square(const ConvShape& s, const WinogradPlace& at, Value* y) {
  return square_at(y, winograd_tile, at.image, at.top, at.left, s.out_h, s.out_w, s.out);
}

// Scalars from plane to plane. A line of cache apart, or the same element of all planes would fall
// on the same few lines where the size is a power of two.
inline int64_t plane_stride(int64_t rows, int channels) {
  return rows * channels + 64 / static_cast<int64_t>(sizeof(Scalar));
}

// From tile to tile of transformed pixels [tile][plane][channels].
inline int64_t tile_stride(int channels) { return plane_stride(winograd_planes, channels); }

// How many input channels are transformed and multiplied at a time where a round of tiles with all
// of them would not stay in the second cache: slices of nearly equal size, in whole vectors.
inline int slice_channels(int in, int lanes) {
  constexpr int wanted = 64;
  const int slices = std::max(1, (in + wanted / 2) / wanted);
  return rounded_up(ceil_div(in, slices), lanes);
}

// A chunk of tiles whose inputs are transformed: [tile][plane][in].
struct WinogradChunk {
  int64_t first;
  int count;
  const Scalar* inputs;
};

// Whether a chunk holds all inputs at a time, which conv_winograd_tiles() asks for.
bool conv_winograd_reads_at_once(const ConvShape& s);

// Winograd's row for the tiles [first, last) alone, on this thread, by weights that are packed. Of
// each chunk, winograd_chunk tiles at most, `read` sees the inputs before the outputs are written.
constexpr int64_t winograd_chunk = 32;
void conv_winograd_tiles(const ConvForward& c, int64_t first, int64_t last,
                         const std::function<void(const WinogradChunk&)>& read);

}  // namespace bonsai
