// What weights are before training. A layer starts with uniform_fan_in; a network whose paper says
// otherwise draws again over its parameters.
//   Kaiming: He et al. 2015, arXiv:1502.01852: variance gain^2 / fan, gain^2 = 2 for ReLU.
//   Xavier:  Glorot and Bengio 2010: variance gain^2 * 2 / (fan_in + fan_out).
#pragma once

#include "engine/random.h"
#include "engine/tensor.h"

namespace bonsai {

enum class Fan { in, out };
inline constexpr float relu_gain = 1.41421356F;  // sqrt(2)

// How many numbers meet in a result (in), or are reached from an input (out), for weights
// [out, kh, kw, in / groups] and [out, in]. As in PyTorch, out is not divided by the groups.
int64_t fan(const Tensor& weight, Fan mode);

void kaiming_normal(const Tensor& weight, Fan mode, Random& random, float gain = relu_gain);
void kaiming_uniform(const Tensor& weight, Fan mode, Random& random, float gain = relu_gain);
void xavier_normal(const Tensor& weight, Random& random, float gain = 1);
void xavier_uniform(const Tensor& weight, Random& random, float gain = 1);

// U(-1/sqrt(fan), 1/sqrt(fan)), PyTorch's start for the weights and biases of every layer.
void uniform_fan_in(const Tensor& tensor, int64_t fan_in, Random& random);

void uniform(const Tensor& tensor, float low, float high, Random& random);
void normal(const Tensor& tensor, float deviation, Random& random);

// To be passed as randomness by those who want shapes alone: nothing is drawn and weights stay
// undefined, so that even a network of 10^8 weights is made in no time.
Random& no_weights();

inline void constant(const Tensor& tensor, float value) { tensor.fill(value); }

}  // namespace bonsai
