// The innermost loops of batch normalisation (engine/kernels/norm.h): one read of each operand, the
// activation included. Vectors are repeated, as in engine/kernels/per_channel.h.
#pragma once

#include <cstdint>

#include "engine/kernels/activation.h"
#include "engine/tensor.h"

namespace bonsai {

// z = (x - mean) * scale + shift, with vectors repeated to a length of `tile`.
struct NormVectors {
  int tile;
  const Scalar *mean, *scale, *shift;
};

// y [n] = f(z + added), with `added` [n] or null
void normalize(const Scalar* x, int64_t n, const NormVectors& v, const Scalar* added,
               const Activation& f, Scalar* y);

// plain [tile] += dz; centred [tile] += dz * (x - mean), where dz = dy f'(z)
void sum_gradients(const Scalar* x, const Scalar* dy, int64_t n, const NormVectors& v,
                   const Activation& f, Scalar* plain, Scalar* centred);

// The same sums of dz [n] = dy g'(y), which is written.
void mask_and_sum_gradients(const Scalar* x, const Scalar* y, const Scalar* dy, int64_t n,
                            const NormVectors& v, const Activation& g, Scalar* dz, Scalar* plain,
                            Scalar* centred);

// The same sums, and dx = dz * scale, or added to dx.
void sum_and_scale_gradients(const Scalar* x, const Scalar* dy, int64_t n, const NormVectors& v,
                             const Activation& f, Scalar* plain, Scalar* centred, Scalar* dx,
                             bool add);

// dx = dz * a + (x - mean) * b + c, or added to dx. Stored, dx may be x.
struct BackVectors {
  const Scalar *a, *b, *c;
};
void normalize_back(const Scalar* x, const Scalar* dy, int64_t n, const NormVectors& v,
                    const Activation& f, const BackVectors& w, Scalar* dx, bool add);

// dx [n] += (x - mean) * slope + offset
void add_line(const Scalar* x, int64_t n, int tile, const Scalar* mean, const Scalar* slope,
              const Scalar* offset, Scalar* dx);

}  // namespace bonsai
