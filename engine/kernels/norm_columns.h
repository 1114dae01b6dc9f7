// The innermost loops of batch normalisation for a matrix x [rows, C] without gaps whose norm's
// result y, and the derivative by it, are columns of wider matrices, of rows y_step apart: one of
// the parts of a joined matrix (engine/kernels/norm.h).
#pragma once

#include <cstdint>

#include "engine/kernels/norm.h"

namespace bonsai {

// y = f(x)
void normalize_columns(const Rows& x, const Normalisation& f, Scalar* y, int64_t y_step);

// plain [C] += dz; centred [C] += dz * (x - mean), where dz = dy f'(z)
void sum_column_gradients(const Rows& x, const Normalisation& f, const Scalar* dy, int64_t dy_step,
                          Scalar* plain, Scalar* centred);

// The same sums, and dx [rows, C] = dz * scale, or added to dx.
void sum_and_scale_column_gradients(const Rows& x, const Normalisation& f, const Scalar* dy,
                                    int64_t dy_step, Scalar* plain, Scalar* centred, Scalar* dx,
                                    bool add);

}  // namespace bonsai
