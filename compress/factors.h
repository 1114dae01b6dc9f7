// One convolution as two: the first makes few channels, the second the outputs out of them. Both
// together are a convolution of low rank, and with all of the rank the one that was given.
//
// Spatial (Jaderberg, Vedaldi and Zisserman 2014, scheme 2): k x 1, then 1 x k. Of all pairs of
// this rank the one nearest to the weights, by the singular vectors of w as a matrix
// [(kh, in), (out, kw)].
// Channel (Zhang, Zou, He and Sun 2015, section 3.1): k x k to the principal directions of the
// response, then 1 x 1. Of all pairs of this rank the one whose response is nearest, on average
// over the pictures of the covariance.
#pragma once

#include <vector>

#include "engine/tensor.h"

namespace bonsai {

struct Factors {
  Tensor first, second;  // weights, as conv2d's
};

// w [out, kh, kw, in] -> [rank, kh, 1, in], [out, 1, kw, rank]
Factors spatial_factors(const Tensor& w, int rank);
int full_spatial_rank(const Shape& w);

// w [out, kh, kw, in] -> [rank, kh, kw, in], [out, 1, 1, rank]. `covariance` [out, out] of the
// response; `scales` [out]: what each output counts, not 0.
Factors channel_factors(const Tensor& w, int rank, const std::vector<double>& covariance,
                        const std::vector<double>& scales);

}  // namespace bonsai
