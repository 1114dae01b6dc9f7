// 1x1 convolution, stride 1, no padding: in NHWC the activations are a [pixels, channels] matrix
// already, so each direction is one product with nothing copied. Grouped: a product per group on
// slices of the channels.
#include <algorithm>

#include "engine/ceil_div.h"
#include "engine/kernels/conv.h"
#include "engine/kernels/finish.h"
#include "engine/kernels/gemm.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

// Pixels per chunk: the chunk's inputs and outputs together about 256 KiB, so that bias and
// activation find the outputs in cache.
int64_t chunk_pixels(const ConvShape& s) {
  const int64_t fitting = (int64_t{1} << 16) / (s.in + s.out);
  return std::min(std::clamp<int64_t>(fitting, 128, 1024),
                  std::max<int64_t>(16, ceil_div(s.pixels(), 16)));
}

}  // namespace

// A transposed convolution may have an input that is larger than what its kernel reaches.
bool conv_is_pointwise(const ConvShape& s) {
  return s.taps() == 1 && s.stride == 1 && s.padding == 0 && s.out_h == s.h && s.out_w == s.w;
}

void conv_forward_pointwise(const ConvForward& c) {
  const ConvShape& s = c.shape;
  const int gi = s.group_in(), go = s.group_out();
  parallel_ranges(s.pixels(), chunk_pixels(s), [&](int64_t begin, int64_t end) {
    Scalar* y = c.y + begin * s.out;
    for (int g = 0; g < s.groups; ++g) {
      gemm(Transpose::no, Transpose::yes, static_cast<int>(end - begin), go, gi, 1,
           c.x + begin * s.in + int64_t{g} * gi, s.in, c.w + int64_t{g} * go * gi, gi,
           c.add ? Scalar{1} : Scalar{0}, y + int64_t{g} * go, s.out);
    }
    finish_rows(y, end - begin, s.out, s.out, c.b, c.activation);
  });
}

void conv_backward_data_pointwise(const ConvBackwardData& c) {
  const ConvShape& s = c.shape;
  const int gi = s.group_in(), go = s.group_out();
  parallel_ranges(s.pixels(), chunk_pixels(s), [&](int64_t begin, int64_t end) {
    for (int g = 0; g < s.groups; ++g) {
      gemm(Transpose::no, Transpose::no, static_cast<int>(end - begin), gi, go, 1,
           c.dy + begin * s.out + int64_t{g} * go, s.out, c.w + int64_t{g} * go * gi, gi,
           c.add ? Scalar{1} : Scalar{0}, c.dx + begin * s.in + int64_t{g} * gi, s.in);
    }
  });
}

void conv_backward_weights_pointwise(const ConvBackwardWeights& c) {
  const ConvShape& s = c.shape;
  const int gi = s.group_in(), go = s.group_out();
  const int64_t size = int64_t{s.out} * gi;
  // Copies of dw, one per share of the pixels, added in order; fewer where dw is large.
  const int64_t wanted = std::clamp<int64_t>((int64_t{1} << 21) / size, 2, 16);
  const int64_t share = std::max<int64_t>(256, ceil_div(s.pixels(), wanted));
  const int parts = static_cast<int>(ceil_div(s.pixels(), share));
  const Tensor partial = Tensor::uninitialized({parts, s.out, gi});
  parallel_chunks(parts, [&](int64_t part) {
    const int64_t begin = part * share;
    const auto count = static_cast<int>(std::min(share, s.pixels() - begin));
    for (int g = 0; g < s.groups; ++g) {
      gemm(Transpose::yes, Transpose::no, go, gi, count, 1, c.dy + begin * s.out + int64_t{g} * go,
           s.out, c.x + begin * s.in + int64_t{g} * gi, s.in, 0,
           partial.data() + part * size + int64_t{g} * go * gi, gi);
    }
  });
  add_parts(partial.data(), parts, size, c.dw, c.add);
}

}  // namespace bonsai
