// The transforms of Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray 2016, "Fast
// Algorithms for Convolutional Neural Networks", section 4): a 3x3 convolution that yields 4x4
// outputs from 6x6 inputs takes 36 products per pair of channels instead of 144. The points are
// 0, +-1/sqrt(2), +-sqrt(2) and infinity, whose rounding errors are smaller than those of the
// paper's 0, +-1, +-2. Backward-weights is F(3x3, 4x4) at the same points: its filter are
// 4x4 pixels of x.
#pragma once

#include "engine/kernels/ahead.h"
#include "engine/tensor.h"

namespace bonsai {

constexpr int winograd_tile = 4;   // outputs along an axis
constexpr int winograd_reach = 6;  // inputs along an axis
constexpr int winograd_planes = winograd_reach * winograd_reach;

// A square of pixels, each a row of channels, which may reach over the edges of its array: pixel
// (i, j) starts at data[at + i * line + j * step] where i is in [top, bottom) and j in
// [left, right). Outside, zeros are read and nothing is written.
template <class Value>
struct PixelSquare {
  Value* data;
  int64_t at, line, step;
  int top, bottom, left, right;

  bool inside(int i, int j) const { return i >= top && i < bottom && j >= left && j < right; }
  Value* pixel(int i, int j) const { return data + at + i * line + j * step; }
};

// side x side rows of channels, `step` apart, all of them there.
template <class Value>
PixelSquare<Value> whole_square(Value* data, int side, int64_t step) {
  return {data, 0, side * step, step, 0, side, 0, side};
}

// For c < channels: the pixels of `to` are the transform of those of `from`; `add`: += it.
using WinogradTransform = void (*)(const PixelSquare<const Scalar>& from,
                                   const PixelSquare<Scalar>& to, int channels, bool add);

// The pixels of x that are read next and those of y that are written, asked for in shares.
using WinogradAhead = PairAhead<Use::read, Use::write>;

// The products of a few tiles, at most tile_kernels()->pixels, with some planes of one block of the
// weights. For t < tiles, p < planes, c < width:
//   products[t * stride + p * width + c] (+)= sum over i < in of
//     inputs[t * pitch + p * in + i] weights[p * plane + i * width + c]
struct WinogradProduct {
  const Scalar* inputs;
  int64_t pitch;
  int tiles, planes, in;
  const Scalar* weights;
  int64_t plane;
  Scalar* products;
  int64_t stride;
  bool add;
};

// Which weights are asked for meanwhile, so far behind those that are read: of each
// WeightsAhead::inputs rows the lines [first, last).
struct WeightsAhead {
  static constexpr int inputs = 32;
  int64_t distance;
  int first, last;
};

// With each plane, also a share of the pixels that are next: `share` and those that follow.
using WinogradProducts = void (*)(const WinogradProduct& product, const WeightsAhead& weights,
                                  const WinogradAhead& next, int64_t share);

struct WinogradKernels {
  WinogradTransform input;        // 6x6 inputs  -> 36 planes
  WinogradTransform weights;      // 3x3 weights -> 36 planes
  WinogradTransform output;       // 36 planes -> 4x4 outputs
  WinogradTransform filter;       // 4x4 pixels as a filter -> 36 planes
  WinogradTransform gradient;     // 36 planes -> 3x3 weights' gradient
  WinogradProducts wide, narrow;  // width: two vectors, one
};

// Null where tile_kernels() is null, whose tiles multiply the planes.
const WinogradKernels* winograd_kernels();

}  // namespace bonsai
