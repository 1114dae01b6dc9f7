// Every operation, as a function on the values of a tape. One declaration here, one file in
// engine/ops/, one row in the registry and one row in the test table make an operation.
// Shapes: x is [N, H, W, C] unless stated; C is always the last axis.
#pragma once

#include <vector>

#include "engine/tape.h"

namespace bonsai {

struct Conv2dOptions {
  int stride = 1, padding = 0, dilation = 1, groups = 1;
};
// w [out, kh, kw, in / groups], b [out] or none -> [N, H', W', out],
// H' = floor((H + 2 padding - dilation (kh - 1) - 1) / stride) + 1.
Var conv2d(Var x, Var w, Var b, const Conv2dOptions& options = {});

struct ConvTranspose2dOptions {
  int stride = 1, padding = 0, output_padding = 0, dilation = 1, groups = 1;
};
// The gradient of conv2d by its input: w [in, kh, kw, out / groups], b [out] or none ->
// [N, H', W', out], H' = (H - 1) stride - 2 padding + dilation (kh - 1) + output_padding + 1.
// output_padding, below the larger of stride and dilation, adds computed rows and columns at the
// bottom and right: it says which of the sizes is meant that conv2d takes to H.
Var conv_transpose2d(Var x, Var w, Var b, const ConvTranspose2dOptions& options = {});

// x [N, in], w [out, in], b [out] or none -> [N, out].
Var linear(Var x, Var w, Var b);

struct BatchNormOptions {
  float eps = 1e-5F;
  float momentum = 0.1F;  // running = (1 - momentum) running + momentum batch
};
// gamma, beta, mean, var [C]; x of any rank with C last. Training: normalises by the batch's
// biased variance and moves mean and var (the unbiased one); otherwise uses mean and var.
Var batch_norm(Var x, Var gamma, Var beta, Var mean, Var var, const BatchNormOptions& options = {});

Var relu(Var x);
Var relu6(Var x);
Var leaky_relu(Var x, float slope = 0.01F);
Var sigmoid(Var x);
Var hard_swish(Var x);

Var add(Var a, Var b);            // the same shape
Var scale(Var x, float factor);   // factor x
Var channel_scale(Var x, Var s);  // s [C], or [N, C] / [N, 1, 1, C] (squeeze and excitation)
Var concat(std::vector<Var> in);  // along channels
// y[..., c] = x[..., index[c]]: shuffle, split and samplers are this one operation.
Var select(Var x, std::vector<int> index);
Var pad_channels(Var x, int zeros);  // `zeros` channels of zeros, after those of x

// [N, H, W, C r^2] -> [N, H r, W r, C]: y[n, h r + i, w r + j, c] = x[n, h, w, c r^2 + i r + j]
// with r the factor; and the inverse.
Var pixel_shuffle(Var x, int factor);
Var pixel_unshuffle(Var x, int factor);

struct PoolOptions {
  int kernel = 2, stride = 2, padding = 0;
};
Var max_pool(Var x, const PoolOptions& options = {});
Var average_pool(Var x, const PoolOptions& options = {});  // padding counts as zeros
Var global_average_pool(Var x);                            // [N, H, W, C] -> [N, C]
// Means over height x width windows of nearly equal size, each at least a pixel.
Var adaptive_average_pool(Var x, int height, int width);
Var flatten(Var x);  // [N, H, W, C] -> [N, H W C]

Var dropout(Var x, float rate);  // training: zeroes with probability rate, scales by 1/(1-rate)
Var softmax(Var x);              // over the last axis

// logits [N, K] or, a class for every pixel, [N, H, W, K]; labels (class numbers) of the same shape
// without K -> [1], the mean over all labels. The target of class k is
// (1 - smoothing) [k = label] + smoothing / K.
Var cross_entropy(Var logits, Var labels, float smoothing = 0);

// Two of the same shape -> [1], the mean of the squared differences of all elements.
Var mean_squared_error(Var x, Var target);

// Logits of a student and its teacher, both [N, K] or [N, H, W, K] -> [1]: temperature^2 times the
// mean over N of the relative entropy of softmax(teacher / temperature) and softmax(student /
// temperature). The teacher's are a constant.
Var distillation_loss(Var student, Var teacher, float temperature);

// x [N, H, W, C] of a student, w [K, 1, 1, C], b [K], t [N, H, W, K] of its teacher, a constant ->
// [1]: mean_squared_error of conv2d(x, w, b) and t, in one pass.
Var hint_loss(Var x, Var w, Var b, Var t);

// [N, H, W, C] -> [N, H, W, 1]: the mean squares over channels, each picture's map of norm 1. The
// mean_squared_error of a student's and a teacher's is the loss of attention transfer.
Var attention_map(Var x);

}  // namespace bonsai
