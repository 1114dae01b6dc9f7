// Convolution kernels as rows of three tables: forward, backward-data and backward-weights. The
// choice is made in one place: the row that a plan names for the shape
// (engine/kernels/conv_plan.h), else the first row that fits. The last row of each table is the
// plain loop, which fits everything and is the reference in tests. Layouts: x [N, H, W, in], w
// [out, kh, kw, in / groups], b [out], y [N, H', W', out].
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "engine/kernels/activation.h"
#include "engine/tensor.h"

namespace bonsai {

class ConvPlan;

struct ConvShape {
  int n, h, w, in;        // the input
  int out_h, out_w, out;  // the output
  int kh, kw;
  int stride, padding, dilation, groups;
  // The groups take turns in x and y: channel c belongs to group c % groups, and is number
  // c / groups in it. In w and b they stand one after the other all the same.
  bool interleaved = false;

  int group_in() const { return in / groups; }
  int group_out() const { return out / groups; }
  int taps() const { return kh * kw; }
  int depth() const { return taps() * group_in(); }  // terms of one output
  int64_t pixels() const { return int64_t{n} * out_h * out_w; }
  int64_t macs() const { return pixels() * out * depth(); }
};

// y = f(conv(x, w) + b), or with `add` y += conv(x, w) (no bias, no activation).
struct ConvForward {
  ConvShape shape;
  const Scalar* x;
  const Scalar* w;
  const Scalar* b;  // null: none
  Scalar* y;
  bool add = false;
  Activation activation{};
  const Scalar* packed = nullptr;  // w as conv_pack() returns it; null: not yet
  const ConvPlan* plan = nullptr;  // that it was packed by; null: that of the process
  bool flipped = false;  // w as ConvKernel::pack_flipped reads it: Winograd's row alone, not packed
  // Which channels of x are input 0, 1, ...; then the pixels of x lie `pitch` scalars apart. Empty:
  // all of them in order.
  std::span<const int> channels = {};
  int pitch = 0;
};

// dx = the derivative by x, or added to dx. A transposed convolution computes this forward.
struct ConvBackwardData {
  ConvShape shape;
  const Scalar* dy;
  const Scalar* w;
  Scalar* dx;
  bool add = false;
  const Scalar* packed = nullptr;  // w as conv_pack_backward_data() returns it; null: not yet
  const ConvPlan* plan = nullptr;  // that it was packed by; null: that of the process
};

// dw = the derivative by w, or added to dw.
struct ConvBackwardWeights {
  ConvShape shape;
  const Scalar* x;
  const Scalar* dy;
  Scalar* dw;
  bool add = false;
};

template <class Call>
struct ConvKernel {
  const char* name;
  bool (*fits)(const ConvShape& shape);
  void (*run)(const Call& call);
  // w in the order in which the row reads it (`packed` of the call); null: as it is.
  Tensor (*pack)(const ConvShape& shape, const Scalar* w) = nullptr;
  // The same of the weights turned around, from w [in, kh, kw, out / groups] whose taps run
  // backwards, as the convolution keeps it whose backward-data this is (conv_flipped()); null: no
  // quicker way than to turn them first.
  Tensor (*pack_flipped)(const ConvShape& shape, const Scalar* w) = nullptr;
};

std::span<const ConvKernel<ConvForward>> conv_forward_kernels();
std::span<const ConvKernel<ConvBackwardData>> conv_backward_data_kernels();
std::span<const ConvKernel<ConvBackwardWeights>> conv_backward_weights_kernels();

// The weights in the order in which the row that is taken reads them, for a network that is run
// again and again (engine/session.h); undefined when that row reads w itself.
Tensor conv_pack(const ConvShape& shape, const Scalar* w);
Tensor conv_pack_backward_data(const ConvShape& shape, const Scalar* w);

// Run the row that is taken; a call with `channels` as conv_forward_sampled().
void conv_forward(const ConvForward& call);
void conv_backward_data(const ConvBackwardData& call);
void conv_backward_weights(const ConvBackwardWeights& call);

// Both, of the same shape and dy, to the bit as one after the other; one whose dx or dw is null is
// left out. dx may be where x is.
void conv_backward(const ConvBackwardData& data, const ConvBackwardWeights& weights);
// Whether that takes the time of less than both: where Winograd's rows compute them.
bool conv_backward_at_once(const ConvShape& shape, const ConvPlan* plan = nullptr);

// A convolution of chosen channels: they are packed, a few pictures at a time, into memory of this
// thread, and there the row that is taken finds them. It reads its weights as packed for those
// pictures: conv_pack(conv_sampled_part(shape), w). Not with `add`.
ConvShape conv_sampled_part(const ConvShape& shape);
void conv_forward_sampled(const ConvForward& call);

// db = the derivative by b, or added to db.
void conv_backward_bias(const ConvShape& shape, const Scalar* dy, Scalar* db, bool add);

// Whether that row of the backward-weights table may as well be given a few images at a time,
// adding up: each call passes over the derivative, and Winograd's over its sums, which should be
// the lesser part.
bool conv_backward_weights_in_blocks(const ConvShape& shape);

// That row of the forward table, by a plan; null: that of the process.
const ConvKernel<ConvForward>& conv_forward_kernel(const ConvShape& shape,
                                                   const ConvPlan* plan = nullptr);
// Which row that is, by name; what a row hands to a table again it names too: "flipped winograd",
// "subsampled pointwise-tiles".
std::string conv_forward_row(const ConvShape& shape);
std::string conv_backward_data_row(const ConvShape& shape);
std::string conv_backward_weights_row(const ConvShape& shape);

// The rows, each file's own.
bool conv_direct_fits(const ConvShape& shape);
Tensor conv_pack_direct(const ConvShape& shape, const Scalar* w);
int64_t conv_packed_direct_size(const ConvShape& shape);  // in scalars
Tensor conv_pack_flipped_direct(const ConvShape& shape, const Scalar* w);
void conv_forward_direct(const ConvForward& call);
void conv_backward_weights_direct(const ConvBackwardWeights& call);
bool conv_stem_fits(const ConvShape& shape);
Tensor conv_pack_stem(const ConvShape& shape, const Scalar* w);
void conv_forward_stem(const ConvForward& call);
void conv_backward_weights_stem(const ConvBackwardWeights& call);
bool conv_winograd_fits(const ConvShape& shape);
Tensor conv_pack_winograd(const ConvShape& shape, const Scalar* w);
Tensor conv_pack_flipped_winograd(const ConvShape& shape, const Scalar* w);
void conv_forward_winograd(const ConvForward& call);
void conv_backward_weights_winograd(const ConvBackwardWeights& call);
bool conv_backward_weights_winograd_in_blocks(const ConvShape& shape);
bool conv_backward_winograd_fits(const ConvShape& shape);
void conv_backward_winograd(const ConvBackwardData& data, const ConvBackwardWeights& weights);
bool conv_small_maps_fits(const ConvShape& shape);
void conv_forward_small_maps(const ConvForward& call);
bool conv_backward_weights_small_maps_fits(const ConvShape& shape);
void conv_backward_weights_small_maps(const ConvBackwardWeights& call);
// 1x1, stride 1, no padding: a product of matrices.
bool conv_is_pointwise(const ConvShape& shape);
// From so many pixels on: of fewer, the direct row cuts finer.
constexpr int64_t pointwise_tiles_pixels = 192;
bool conv_pointwise_tiles_fits(const ConvShape& shape);
void conv_forward_pointwise_tiles(const ConvForward& call);
bool conv_backward_weights_pointwise_tiles_fits(const ConvShape& shape);
void conv_backward_weights_pointwise_tiles(const ConvBackwardWeights& call);
void conv_forward_pointwise(const ConvForward& call);
void conv_backward_data_pointwise(const ConvBackwardData& call);
void conv_backward_weights_pointwise(const ConvBackwardWeights& call);
// 1x1, stride above one, no padding, no groups: to the tables again, with the pixels that it reads
// side by side.
bool conv_subsampled_fits(const ConvShape& shape);
ConvShape conv_subsampled_dense(const ConvShape& shape);
Tensor conv_pack_backward_data_subsampled(const ConvShape& shape, const Scalar* w);
void conv_backward_data_subsampled(const ConvBackwardData& call);
bool conv_backward_weights_subsampled_fits(const ConvShape& shape);
void conv_backward_weights_subsampled(const ConvBackwardWeights& call);
void conv_forward_im2col(const ConvForward& call);
// Backward-data as the forward convolution that reads dy and writes dx.
ConvShape conv_flipped(const ConvShape& shape);
Tensor conv_pack_flipped(const ConvShape& shape, const Scalar* w);
void conv_backward_data_flipped(const ConvBackwardData& call);
bool conv_phases_fits(const ConvShape& shape);
Tensor conv_pack_phases(const ConvShape& shape, const Scalar* w);
void conv_backward_data_phases(const ConvBackwardData& call);
bool conv_phases_tiles_fits(const ConvShape& shape);
Tensor conv_pack_phases_tiles(const ConvShape& shape, const Scalar* w);
void conv_backward_data_phases_tiles(const ConvBackwardData& call);
void conv_backward_data_col2im(const ConvBackwardData& call);
void conv_backward_weights_im2col(const ConvBackwardWeights& call);
bool conv_small_groups_fits(const ConvShape& shape);
Tensor conv_pack_small_groups(const ConvShape& shape, const Scalar* w);
Tensor conv_pack_backward_data_small_groups(const ConvShape& shape, const Scalar* w);
void conv_forward_small_groups(const ConvForward& call);
void conv_backward_data_small_groups(const ConvBackwardData& call);
void conv_backward_weights_small_groups(const ConvBackwardWeights& call);
// Groups that take turns: with the register tiles of pointwise convolutions where these fit, else
// by a row for groups one after the other and copies in that order.
bool conv_is_interleaved(const ConvShape& shape);
Tensor conv_pack_interleaved(const ConvShape& shape, const Scalar* w);
Tensor conv_pack_backward_data_interleaved(const ConvShape& shape, const Scalar* w);
void conv_forward_interleaved(const ConvForward& call);
void conv_backward_data_interleaved(const ConvBackwardData& call);
void conv_backward_weights_interleaved(const ConvBackwardWeights& call);
void conv_forward_plain(const ConvForward& call);
void conv_backward_data_plain(const ConvBackwardData& call);
void conv_backward_weights_plain(const ConvBackwardWeights& call);

}  // namespace bonsai
