#include "engine/kernels/conv.h"

#include <algorithm>
#include <array>

#include "engine/kernels/conv_plan.h"
#include "engine/kernels/finish.h"
#include "engine/kernels/tile.h"

namespace bonsai {
namespace {

bool anything(const ConvShape&) { return true; }

// Backward-data as a forward convolution of dy: its padding, dilation (k - 1) - padding, must be
// the same both ways and not negative. Worth turning the weights around where it ends in the
// direct row or in Winograd's.
bool flippable(const ConvShape& s) {
  return s.stride == 1 && s.kh == s.kw && s.padding <= s.dilation * (s.kh - 1) &&
         tile_kernels() != nullptr && s.group_in() > 1;
}

// The plan's row, else the first that fits. For numbers of images that the plan's does not fit,
// rows come first that read weights packed for it: all blocks of a batch share them.
template <class Call, size_t rows>
const ConvKernel<Call>& chosen(const std::array<ConvKernel<Call>, rows>& table,
                               const ConvShape& shape, const ConvPlan* plan = nullptr) {
  const ConvKernel<Call>* planned = (plan != nullptr ? plan : conv_plan().get())->row<Call>(shape);
  if (planned != nullptr) {
    if (planned->fits(shape)) return *planned;
    const auto alike =
        std::find_if(table.begin(), table.end(), [&](const ConvKernel<Call>& kernel) {
          return kernel.pack == planned->pack && kernel.fits(shape);
        });
    if (alike != table.end()) return *alike;
  }
  return *std::find_if(table.begin(), table.end(),
                       [&](const ConvKernel<Call>& kernel) { return kernel.fits(shape); });
}

// The order is measured (make bench). The direct row beats a product on every layer shape of the
// zoo: nothing is copied, and few channels do not starve it. Winograd's needs fewer multiplications
// still, and 1x1 layers have tiles of their own. Products serve processors without vector FMA.
constexpr std::array<ConvKernel<ConvForward>, 10> forward_table = {{
    {"interleaved", conv_is_interleaved, conv_forward_interleaved, conv_pack_interleaved},
    {"small-groups", conv_small_groups_fits, conv_forward_small_groups, conv_pack_small_groups},
    {"stem", conv_stem_fits, conv_forward_stem, conv_pack_stem},
    {"winograd", conv_winograd_fits, conv_forward_winograd, conv_pack_winograd,
     conv_pack_flipped_winograd},
    {"pointwise-tiles", conv_pointwise_tiles_fits, conv_forward_pointwise_tiles, conv_pack_direct,
     conv_pack_flipped_direct},
    {"small-maps", conv_small_maps_fits, conv_forward_small_maps, conv_pack_direct,
     conv_pack_flipped_direct},
    {"direct", conv_direct_fits, conv_forward_direct, conv_pack_direct, conv_pack_flipped_direct},
    {"pointwise", conv_is_pointwise, conv_forward_pointwise},
    {"im2col", anything, conv_forward_im2col},
    {"plain", anything, conv_forward_plain},
}};

constexpr std::array<ConvKernel<ConvBackwardData>, 9> backward_data_table = {{
    {"interleaved", conv_is_interleaved, conv_backward_data_interleaved,
     conv_pack_backward_data_interleaved},
    {"small-groups", conv_small_groups_fits, conv_backward_data_small_groups,
     conv_pack_backward_data_small_groups},
    {"flipped", flippable, conv_backward_data_flipped, conv_pack_flipped},
    {"subsampled", conv_subsampled_fits, conv_backward_data_subsampled,
     conv_pack_backward_data_subsampled},
    {"phases-tiles", conv_phases_tiles_fits, conv_backward_data_phases_tiles,
     conv_pack_phases_tiles},
    {"phases", conv_phases_fits, conv_backward_data_phases, conv_pack_phases},
    {"pointwise", conv_is_pointwise, conv_backward_data_pointwise},
    {"col2im", anything, conv_backward_data_col2im},
    {"plain", anything, conv_backward_data_plain},
}};

constexpr std::array<ConvKernel<ConvBackwardWeights>, 11> backward_weights_table = {{
    {"interleaved", conv_is_interleaved, conv_backward_weights_interleaved},
    {"small-groups", conv_small_groups_fits, conv_backward_weights_small_groups},
    {"stem", conv_stem_fits, conv_backward_weights_stem},
    {"winograd", conv_winograd_fits, conv_backward_weights_winograd},
    {"pointwise-tiles", conv_backward_weights_pointwise_tiles_fits,
     conv_backward_weights_pointwise_tiles},
    {"small-maps", conv_backward_weights_small_maps_fits, conv_backward_weights_small_maps},
    {"subsampled", conv_backward_weights_subsampled_fits, conv_backward_weights_subsampled},
    {"direct", conv_direct_fits, conv_backward_weights_direct},
    {"pointwise", conv_is_pointwise, conv_backward_weights_pointwise},
    {"im2col", anything, conv_backward_weights_im2col},
    {"plain", anything, conv_backward_weights_plain},
}};

template <class Call, size_t rows>
Tensor pack_for(const std::array<ConvKernel<Call>, rows>& table, const ConvShape& shape,
                const Scalar* w) {
  const auto pack = chosen(table, shape).pack;
  return pack != nullptr ? pack(shape, w) : Tensor();
}

}  // namespace

std::span<const ConvKernel<ConvForward>> conv_forward_kernels() { return forward_table; }
std::span<const ConvKernel<ConvBackwardData>> conv_backward_data_kernels() {
  return backward_data_table;
}
std::span<const ConvKernel<ConvBackwardWeights>> conv_backward_weights_kernels() {
  return backward_weights_table;
}

Tensor conv_pack(const ConvShape& shape, const Scalar* w) {
  return pack_for(forward_table, shape, w);
}
Tensor conv_pack_backward_data(const ConvShape& shape, const Scalar* w) {
  return pack_for(backward_data_table, shape, w);
}

const ConvKernel<ConvForward>& conv_forward_kernel(const ConvShape& shape, const ConvPlan* plan) {
  return chosen(forward_table, shape, plan);
}

void conv_forward(const ConvForward& call) {
  call.channels.empty() ? conv_forward_kernel(call.shape, call.plan).run(call)
                        : conv_forward_sampled(call);
}
void conv_backward_data(const ConvBackwardData& call) {
  chosen(backward_data_table, call.shape, call.plan).run(call);
}
void conv_backward_weights(const ConvBackwardWeights& call) {
  chosen(backward_weights_table, call.shape).run(call);
}

bool conv_backward_at_once(const ConvShape& s, const ConvPlan* plan) {
  return chosen(backward_weights_table, s).run == conv_backward_weights_winograd &&
         chosen(backward_data_table, s, plan).run == conv_backward_data_flipped &&
         chosen(forward_table, conv_flipped(s), plan).run == conv_forward_winograd &&
         conv_backward_winograd_fits(s);
}

void conv_backward(const ConvBackwardData& data, const ConvBackwardWeights& weights) {
  const bool both = data.dx != nullptr && weights.dw != nullptr;
  if (both && conv_backward_at_once(weights.shape, data.plan)) {
    return conv_backward_winograd(data, weights);
  }
  if (weights.dw != nullptr) conv_backward_weights(weights);
  if (data.dx != nullptr) conv_backward_data(data);
}

void conv_backward_bias(const ConvShape& s, const Scalar* dy, Scalar* db, bool add) {
  if (!s.interleaved) return sum_rows(dy, s.pixels(), s.out, db, add);
  const Tensor sums = Tensor::uninitialized({s.out});
  sum_rows(dy, s.pixels(), s.out, sums.data(), false);
  for (int c = 0; c < s.out; ++c) {
    Scalar& to = db[c % s.groups * s.group_out() + c / s.groups];
    to = (add ? to : Scalar{0}) + sums.data()[c];
  }
}

bool conv_backward_weights_in_blocks(const ConvShape& shape) {
  constexpr int64_t weights_per_pixel = 128;
  return chosen(backward_weights_table, shape).run == conv_backward_weights_winograd
             ? conv_backward_weights_winograd_in_blocks(shape)
             : int64_t{shape.depth()} * shape.out <= weights_per_pixel * shape.pixels();
}

std::string conv_forward_row(const ConvShape& shape) { return conv_forward_kernel(shape).name; }
std::string conv_backward_data_row(const ConvShape& shape) {
  const std::string row = chosen(backward_data_table, shape).name;
  if (row == "flipped") return row + " " + conv_forward_row(conv_flipped(shape));
  return row == "subsampled" ? row + " " + conv_backward_data_row(conv_subsampled_dense(shape))
                             : row;
}
std::string conv_backward_weights_row(const ConvShape& shape) {
  const std::string row = chosen(backward_weights_table, shape).name;
  return row == "subsampled" ? row + " " + conv_backward_weights_row(conv_subsampled_dense(shape))
                             : row;
}

}  // namespace bonsai
