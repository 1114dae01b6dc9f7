// Loops over rows of C channels that treat each channel by its own numbers: normalising, scaling,
// summing. A network's later layers have many channels, its first ones few and pruned ones an odd
// number, so per-channel vectors are repeated until a vectorised loop over them is long enough to
// be worth starting; sums are kept per repetition and folded at the end, which also makes them
// more accurate.
#pragma once

#include <cstdint>

#include "engine/tensor.h"

namespace bonsai {

// Rows that one turn of the loops below covers: 1 for wide rows.
int row_repeats(int channels);

// Rows per chunk of a reduction: few enough to stay in cache and for float sums to be accurate.
int64_t reduction_rows(int channels);

// tiled [repeats, channels] = v [channels], again and again.
void repeat_channels(const Scalar* v, int channels, int repeats, Scalar* tiled);

// v[c] = the sum over the repetitions of tiled[., c].
void fold_channels(const Scalar* tiled, int channels, int repeats, Scalar* v);

// In the following, x, y, ... hold n = rows * C elements, and `tile` = repeats * C is the length
// of the repeated vectors.

// y = x * scale, or added to y
void scale_channels(const Scalar* x, int64_t n, int tile, const Scalar* scale, Scalar* y, bool add);

// y [n] = x [n] * scale, or added to y: one number for all
void scale_all(const Scalar* x, int64_t n, Scalar scale, Scalar* y, bool add);

// sums [tile] += x
void sum_channels(const Scalar* x, int64_t n, int tile, Scalar* sums);

// sums [tile] += (x - mean)^2
void sum_squares(const Scalar* x, int64_t n, int tile, const Scalar* mean, Scalar* sums);

// sums [tile] += x * y
void sum_products(const Scalar* x, const Scalar* y, int64_t n, int tile, Scalar* sums);

}  // namespace bonsai
