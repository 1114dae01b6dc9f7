// The products of Winograd's backward-weights: each plane of some tiles' errors and inputs, summed
// over the tiles. All planes are one call: where channels are few, a call for each takes a good
// part of the time of its products.
#pragma once

#include "engine/kernels/ahead.h"
#include "engine/tensor.h"

namespace bonsai {

// The pixels of x and dy that are read next, asked for in shares.
using WinogradNext = PairAhead<Use::read, Use::read>;

// Transformed pixels of some tiles: plane p of tile t starts at data[t * stride + p * channels].
struct WinogradPlanes {
  const Scalar* data;
  int64_t stride;
  int channels;
};

// For o < errors.channels, c < inputs.channels (whole vectors), p in [first, last):
//   sums[p * plane + o * pitch + c] (+)= sum over t < tiles of
//     errors[t][p][o] inputs[t][p][c]
// With each plane, a share of what is next: `share` and those that follow.
using WinogradSums = void (*)(const WinogradPlanes& errors, const WinogradPlanes& inputs, int tiles,
                              int first, int last, Scalar* sums, int64_t plane, int pitch, bool add,
                              const WinogradNext& next, int64_t share);

// Null where winograd_kernels() is null.
WinogradSums winograd_sums();

}  // namespace bonsai
