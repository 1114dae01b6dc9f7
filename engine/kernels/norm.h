// Batch normalisation's passes over memory: one for the statistics, one to normalise, and one of
// each on the way back. What follows a batch norm at once, an addition and an activation, is done
// in the same passes: rows are taken in blocks that stay in the first-level cache, and every
// operation runs over the block with the loops that it has on its own, so that the bits are the
// same as in separate passes.
#pragma once

#include <cstdint>

#include "engine/kernels/activation.h"
#include "engine/tensor.h"

namespace bonsai {

// x [rows, C], whose rows lie `step` elements apart.
struct Rows {
  Scalar* data;
  int64_t count;
  int channels;
  int64_t step;
};

// The mean and the sum of squared deviations of each channel of x: per cache-sized chunk in two
// sweeps, then merged in chunk order in double precision (Chan, Golub, LeVeque 1979, "Updating
// Formulae and a Pairwise Algorithm for Computing Sample Variances"), which neither loses digits to
// a large mean nor depends on the number of threads.
void channel_moments(const Rows& x, double* mean, double* squares);

// y = f((x - mean) * scale + shift + added), with vectors of C
struct Normalisation {
  const Scalar *mean, *scale, *shift;
  Activation activation{};
};

// y [rows, C]; added [rows, C] or null.
void normalize_rows(const Rows& x, const Normalisation& f, const Scalar* added, Scalar* y);

// In the following, dz = dy f'(z) is the derivative by what the activation took. With `y` null, z
// is computed anew from x, so that nothing was kept of it; where something had been added, y is the
// result, from which f' follows (relu, relu6). dy [rows, C].
struct NormalisedBack {
  Rows x;
  Normalisation f;
  const Scalar* y;
  const Scalar* dy;
};

// plain[c] = the sum of dz, centred[c] = the sum of dz (x - mean), over the rows.
void gradient_sums(const NormalisedBack& back, double* plain, double* centred);

// dx = dz * a + (x - mean) * b + c, or added to dx (whose data is null when nobody wants it), and
// dz to `added`, or added to it, likewise.
struct RowsGradient {
  Scalar* data;
  int64_t step;
  bool add;
};
void normalize_rows_back(const NormalisedBack& back, const Scalar* a, const Scalar* b,
                         const Scalar* c, const RowsGradient& dx, const RowsGradient& added);

}  // namespace bonsai
