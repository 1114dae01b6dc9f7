// What the forward and the backward-weights pass of Winograd's convolution share: how the output
// is cut into 4x4 tiles, and which pixels each of them reads.
#pragma once

#include "engine/kernels/conv.h"
#include "engine/kernels/winograd.h"

namespace bonsai {

// The tiles of all images, numbered in line order.
struct WinogradTiles {
  int high, wide;
  int64_t count;

  explicit WinogradTiles(const ConvShape& s)
      : high((s.out_h + winograd_tile - 1) / winograd_tile),
        wide((s.out_w + winograd_tile - 1) / winograd_tile),
        count(int64_t{s.n} * high * wide) {}
};

// Where a square of side x side pixels lies that starts at (top, left) of image n in an array of
// images [n, h, w, channels]: visit(i, offset of pixel i, or -1 outside the image).
template <class Visit>
void for_each_pixel(int side, int64_t n, int top, int left, int h, int w, int channels,
                    const Visit& visit) {
  for (int i = 0; i < side; ++i) {
    const bool line = top + i >= 0 && top + i < h;
    for (int j = 0; j < side; ++j) {
      const bool inside = line && left + j >= 0 && left + j < w;
      visit(i * side + j, inside ? ((n * h + top + i) * w + left + j) * channels : -1);
    }
  }
}

// The 6x6 inputs that a tile reads; `zeros` (a row of `in` zeros) stands for padding.
inline void input_pixels(const ConvShape& s, const WinogradTiles& tiles, int64_t tile,
                         const Scalar* x, const Scalar* zeros, const Scalar** from) {
  const auto line = static_cast<int>(tile / tiles.wide % tiles.high);
  const auto column = static_cast<int>(tile % tiles.wide);
  for_each_pixel(winograd_reach, tile / (int64_t{tiles.high} * tiles.wide),
                 line * winograd_tile - s.padding, column * winograd_tile - s.padding, s.h, s.w,
                 s.in, [&](int i, int64_t at) { from[i] = at < 0 ? zeros : x + at; });
}

// visit(i, offset or -1) for the 4x4 outputs of a tile.
template <class Visit>
void for_each_output(const ConvShape& s, const WinogradTiles& tiles, int64_t tile,
                     const Visit& visit) {
  const auto line = static_cast<int>(tile / tiles.wide % tiles.high);
  const auto column = static_cast<int>(tile % tiles.wide);
  for_each_pixel(winograd_tile, tile / (int64_t{tiles.high} * tiles.wide), line * winograd_tile,
                 column * winograd_tile, s.out_h, s.out_w, s.out, visit);
}

// Scalars from plane to plane. A line of cache apart, or the same element of all planes would fall
// on the same few lines where the size is a power of two.
inline int64_t plane_stride(int64_t rows, int channels) {
  return rows * channels + 64 / static_cast<int64_t>(sizeof(Scalar));
}

// The planes of one row of channels: to[p] = base + p * stride.
template <class Pointer>
void plane_rows(Pointer base, int64_t stride, Pointer* rows) {
  for (int p = 0; p < winograd_planes; ++p) rows[p] = base + p * stride;
}

}  // namespace bonsai
