// Batch normalisation's passes over memory: one for the statistics, one to normalise, and one of
// each on the way back.
#pragma once

#include <cstdint>

#include "engine/tensor.h"

namespace bonsai {

// The mean and the sum of squared deviations of each channel of x [rows, C]: per cache-sized
// chunk in two sweeps, then merged in chunk order in double precision (Chan, Golub, LeVeque 1979,
// "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances"), which neither
// loses digits to a large mean nor depends on the number of threads.
void channel_moments(const Scalar* x, int64_t rows, int channels, double* mean, double* squares);

// plain[c] = the sum of dy, centred[c] = the sum of dy (x - mean), over the rows.
void gradient_sums(const Scalar* x, const Scalar* dy, int64_t rows, int channels,
                   const Scalar* mean, double* plain, double* centred);

// y = (x - mean) * scale + shift
void normalize_rows(const Scalar* x, int64_t rows, int channels, const Scalar* mean,
                    const Scalar* scale, const Scalar* shift, Scalar* y);

// dx = dy * a + (x - mean) * b + c, or added to dx
void normalize_rows_back(const Scalar* x, const Scalar* dy, int64_t rows, int channels,
                         const Scalar* mean, const Scalar* a, const Scalar* b, const Scalar* c,
                         Scalar* dx, bool add);

}  // namespace bonsai
