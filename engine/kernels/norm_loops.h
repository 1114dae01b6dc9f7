// The innermost loops of batch normalisation (engine/kernels/norm.h): one read of each operand, the
// activation included. Vectors are repeated, as in engine/kernels/per_channel.h.
#pragma once

#include <cstdint>

#include "engine/kernels/activation.h"
#include "engine/tensor.h"

namespace bonsai {

// z = (x - mean) * scale + shift
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

// dx [n] = dz * a + (x - mean) * b + c, or added to dx
void normalize_back(const Scalar* x, const Scalar* dy, int64_t n, const NormVectors& v,
                    const Activation& f, const Scalar* a, const Scalar* b, const Scalar* c,
                    Scalar* dx, bool add);

}  // namespace bonsai
