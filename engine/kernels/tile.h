// The register tile of the direct convolution: a few pixels times one or two vectors of output
// channels, kept in registers over the whole sum. One set of functions per instruction set,
// chosen once when the program starts. The channels may belong to `groups` that take turns, c to
// group c % groups; then all of them are one block, in which a channel meets its own group alone.
#pragma once

#include <cstdint>

#include "engine/ceil_div.h"
#include "engine/kernels/ahead.h"
#include "engine/tensor.h"

namespace bonsai {

// What the tiles after this one read of x, and read or write of y, asked for a little with each
// `terms` of a sum: all of it at once would keep the tile waiting for its own lines.
template <Use use_of_y>
struct TileAhead {
  static constexpr int terms = 16;
  Ahead<Use::read> x{};
  Ahead<use_of_y> y{};

  // How often a tile asks whose sums have so many terms.
  static int times(int count) { return ceil_div(count, terms); }

  [[gnu::always_inline]] void fetch() {
    x.fetch();
    y.fetch();
  }
};
using ForwardAhead = TileAhead<Use::write>;
using BackwardAhead = TileAhead<Use::read>;

struct TileKernels {
  int pixels;  // rows of a tile
  int lanes;   // scalars in a vector

  // Channels are taken in blocks of two vectors; the last of them may be one.
  int wide() const { return 2 * lanes; }
  int width(int channels_left) const { return channels_left > lanes ? wide() : lanes; }
  int blocks(int channels) const { return ceil_div(channels, wide()); }

  // y[p * stride + c] (+)= sum over t < taps, i < in of
  //   x[t * pixels + p][offset + i * groups + c % groups] w[t][i][c]
  // for p < pixels and c < columns, at most a block's width, which is one or two vectors.
  // w: [taps][in][width].
  using Forward = void (*)(const Scalar* const* x, int taps, int in, int64_t offset,
                           const Scalar* w, Scalar* y, int64_t stride, int columns,
                           ForwardAhead& ahead);
  // [two vectors?][all columns?][add?]: one function each, since what the rarer forms keep in
  // registers would cost the others a tenth of their time.
  Forward forward[2][2][2];

  // dw[i * stride + c] += sum over p < count of
  //   x[p][offset + i * groups + c % groups] dy[p * pitch + c]
  // for i < inputs <= pixels and c < 2 lanes (wide) or c < lanes (narrow).
  using Weights = void (*)(const Scalar* const* x, int64_t offset, int inputs, const Scalar* dy,
                           int64_t pitch, int count, Scalar* dw, int64_t stride,
                           BackwardAhead& ahead);
  Weights weights_wide, weights_narrow;
  Weights weights(int width) const { return width == lanes ? weights_narrow : weights_wide; }
};

// Rows of a tile whose vectors have so many bytes: as many as the registers hold sums for.
constexpr int tile_rows(int vector_bytes) {
  return vector_bytes == 64 ? 12 : vector_bytes == 32 ? 6 : 8;
}

// The next multiple of `to`.
inline int rounded_up(int n, int to) { return ceil_div(n, to) * to; }

// y of `count` pixels, at most a tile's, and of one or two vectors of columns: `width` of them in
// w. A tile that sticks out of y is computed aside.
void forward_pixels(const TileKernels& t, int count, int width, const Scalar* const* x, int taps,
                    int in, int64_t offset, const Scalar* w, Scalar* y, int64_t stride, int columns,
                    bool add, ForwardAhead& ahead);

// Null on processors without fused multiply-add on vectors: other rows serve them better. Also null
// for groups that do not divide a vector.
const TileKernels* tile_kernels(int groups = 1);

}  // namespace bonsai
