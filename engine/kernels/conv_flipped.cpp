// Backward-data of a stride of one is a forward convolution of dy whose weights are turned around:
// inputs and outputs change places, and the taps run backwards. The rows that such a convolution
// ends in pack the weights straight from where they lie.
#include "engine/kernels/conv.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

// w [out, kh, kw, in/groups] -> [in, kh, kw, out/groups], turned around in both directions.
void flip_weights(const ConvShape& s, const Scalar* w, Scalar* flipped) {
  const int gi = s.group_in(), go = s.group_out(), taps = s.taps();
  parallel_chunks(s.in, [&](int64_t in) {
    const int64_t first_out = in / gi * go;
    Scalar* to = flipped + in * taps * go;
    for (int tap = taps - 1; tap >= 0; --tap) {
      const Scalar* from = w + (first_out * taps + tap) * gi + in % gi;
      for (int o = 0; o < go; ++o) *to++ = from[int64_t{o} * taps * gi];
    }
  });
}

}  // namespace

ConvShape conv_flipped(const ConvShape& s) {
  ConvShape turned = s;
  turned.h = s.out_h, turned.w = s.out_w, turned.in = s.out;
  turned.out_h = s.h, turned.out_w = s.w, turned.out = s.in;
  turned.padding = s.dilation * (s.kh - 1) - s.padding;
  return turned;
}

Tensor conv_pack_flipped(const ConvShape& s, const Scalar* w) {
  const ConvShape turned = conv_flipped(s);
  const ConvKernel<ConvForward>& row = conv_forward_kernel(turned);
  if (row.pack_flipped != nullptr) return row.pack_flipped(turned, w);
  const Tensor flipped = Tensor::uninitialized({s.in, s.kh, s.kw, s.group_out()});
  flip_weights(s, w, flipped.data());
  return row.pack != nullptr ? row.pack(turned, flipped.data()) : flipped;
}

void conv_backward_data_flipped(const ConvBackwardData& c) {
  const ConvShape turned = conv_flipped(c.shape);
  const bool packs_itself =
      c.packed == nullptr && conv_forward_kernel(turned, c.plan).run == conv_forward_winograd;
  Tensor own;
  if (c.packed == nullptr && !packs_itself) own = conv_pack_flipped(c.shape, c.w);
  const Scalar* packed = own.defined() ? own.data() : c.packed;
  conv_forward({.shape = turned,
                .x = c.dy,
                .w = packs_itself ? c.w : packed,  // for a row that packs nothing: turned alone
                .b = nullptr,
                .y = c.dx,
                .add = c.add,
                .packed = packed,
                .plan = c.plan,
                .flipped = packs_itself});
}

}  // namespace bonsai
