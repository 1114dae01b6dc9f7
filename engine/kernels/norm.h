// Batch normalisation's passes over memory: one for the statistics, one to normalise, and one of
// each on the way back. An addition and an activation that follow it at once are part of them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/kernels/activation.h"
#include "engine/tensor.h"

namespace bonsai {

// x [rows, C]
struct Rows {
  Scalar* data;
  int64_t count;
  int channels;
};

// x [rows, C], the channels of one or more matrices, one after the other.
struct JoinedRows {
  std::vector<Rows> parts;
  int64_t count;
  int channels;

  explicit JoinedRows(const Tensor& x);  // [..., C], perhaps joined
};

Rows all_rows(const Tensor& x);  // [..., C]

// The rows of a matrix from number `first` on.
Rows rows_from(const Rows& matrix, int64_t first, int64_t count);
JoinedRows rows_from(const JoinedRows& matrix, int64_t first, int64_t count);

// The mean and the sum of squared deviations of each channel of a matrix that comes in blocks of
// rows: per cache-sized chunk in two sweeps, then merged in order in double precision (Chan, Golub,
// LeVeque 1979, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances"), which
// neither loses digits to a large mean nor depends on the number of threads.
class ChannelMoments {
 public:
  ChannelMoments(std::vector<int64_t> block_rows, int channels);

  void take(int block, const Rows& x);  // different blocks on any threads, in any order

  Tensor merged() const;  // of all rows: [2, C], the means and the sums of squared deviations

 private:
  std::vector<int64_t> rows_;   // per block
  std::vector<int64_t> first_;  // chunk of each block, and their number
  int64_t chunk_;               // rows per chunk
  Tensor parts_;                // [chunks, 2, C]
};

// The moments of x, as merged() returns them.
Tensor channel_moments(const Rows& x);

// Those of a joined matrix, of those of its parts [2, C].
Tensor joined_moments(std::span<const Tensor> parts);

// y = f((x - mean) * scale + shift + added), with vectors of C
struct Normalisation {
  const Scalar *mean, *scale, *shift;
  Activation activation{};
};

// y [rows, C]; added [rows, C] or null.
void normalize_rows(const Rows& x, const Normalisation& f, const Scalar* added, Scalar* y);
void normalize_rows(const JoinedRows& x, const Normalisation& f, Scalar* y);

// In the following, dz = dy f'(z) is the derivative by z, what the activation took. z is computed
// anew from x, which has to be read anyway, so nothing is kept of it. dy [rows, C].

// plain[c] = the sum of dz, centred[c] = the sum of dz (x - mean), over the rows.
void gradient_sums(const Rows& x, const Normalisation& f, const Scalar* dy, double* plain,
                   double* centred);
void gradient_sums(const JoinedRows& x, const Normalisation& f, const Scalar* dy, double* plain,
                   double* centred);

// The same sums where something was added before the activation g, whose mask then comes from the
// result y [rows, C]: f has none. dz = dy g'(y) [rows, C] is written, perhaps where dy is.
void masked_gradient_sums(const Rows& x, const Normalisation& f, const Activation& g,
                          const Scalar* y, const Scalar* dy, Scalar* dz, double* plain,
                          double* centred);

// The same sums, and dx = dz * scale, or added to dx, in one pass.
void scaled_gradient_sums(const JoinedRows& x, const Normalisation& f, const Scalar* dy,
                          double* plain, double* centred, const JoinedRows& dx, bool add);

// dx = dz * a + (x - mean) * b + c, or added to dx; stored, it may be where x is.
void normalize_rows_back(const Rows& x, const Normalisation& f, const Scalar* dy, const Scalar* a,
                         const Scalar* b, const Scalar* c, Scalar* dx, bool add);

// dx += (x - mean) * slope + offset
void add_line(const Rows& x, const Scalar* mean, const Scalar* slope, const Scalar* offset,
              Scalar* dx);

}  // namespace bonsai
