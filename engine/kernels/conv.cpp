#include "engine/kernels/conv.h"

#include <array>

namespace bonsai {
namespace {

bool anything(const ConvShape&) { return true; }

bool pointwise(const ConvShape& s) {
  return s.taps() == 1 && s.stride == 1 && s.padding == 0;
}

bool depthwise(const ConvShape& s) { return s.groups == s.in && s.groups == s.out; }

// Backward-data as a forward convolution of dy: its padding, dilation (k - 1) - padding, must be
// the same both ways and not negative.
bool flippable(const ConvShape& s) {
  return s.stride == 1 && s.kh == s.kw && s.padding <= s.dilation * (s.kh - 1);
}

template <class Call, size_t rows>
void run_first_fit(const std::array<ConvKernel<Call>, rows>& table, const Call& call) {
  for (const auto& kernel : table) {
    if (kernel.fits(call.shape)) return kernel.run(call);
  }
}

constexpr std::array<ConvKernel<ConvForward>, 5> forward_table = {{
    {"depthwise", depthwise, conv_forward_depthwise},
    {"direct", conv_direct_fits, conv_forward_direct},
    {"pointwise", pointwise, conv_forward_pointwise},
    {"im2col", anything, conv_forward_im2col},
    {"plain", anything, conv_forward_plain},
}};

constexpr std::array<ConvKernel<ConvBackwardData>, 5> backward_data_table = {{
    {"depthwise", depthwise, conv_backward_data_depthwise},
    {"flipped", flippable, conv_backward_data_flipped},
    {"pointwise", pointwise, conv_backward_data_pointwise},
    {"col2im", anything, conv_backward_data_col2im},
    {"plain", anything, conv_backward_data_plain},
}};

constexpr std::array<ConvKernel<ConvBackwardWeights>, 5> backward_weights_table = {{
    {"depthwise", depthwise, conv_backward_weights_depthwise},
    {"direct", conv_direct_fits, conv_backward_weights_direct},
    {"pointwise", pointwise, conv_backward_weights_pointwise},
    {"im2col", anything, conv_backward_weights_im2col},
    {"plain", anything, conv_backward_weights_plain},
}};

}  // namespace

std::span<const ConvKernel<ConvForward>> conv_forward_kernels() { return forward_table; }
std::span<const ConvKernel<ConvBackwardData>> conv_backward_data_kernels() {
  return backward_data_table;
}
std::span<const ConvKernel<ConvBackwardWeights>> conv_backward_weights_kernels() {
  return backward_weights_table;
}

Tensor conv_pack(const ConvShape& shape, const Scalar* w) {
  const bool direct = !depthwise(shape) && conv_direct_fits(shape);
  return direct ? conv_pack_direct(shape, w) : Tensor();
}

void conv_forward(const ConvForward& call) { run_first_fit(forward_table, call); }
void conv_backward_data(const ConvBackwardData& call) { run_first_fit(backward_data_table, call); }
void conv_backward_weights(const ConvBackwardWeights& call) {
  run_first_fit(backward_weights_table, call);
}

}  // namespace bonsai
