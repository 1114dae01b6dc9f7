// The first convolution of a network reads three channels, too few for the direct row's inner
// loop. In a copy of the pictures with their padding, the kw pixels that a kernel row reads are
// one run of kw * in scalars: the same convolution with a kernel of kh x 1 on windows that overlap.
// The copy is small beside the output, which has many more channels.
#include <algorithm>

#include "engine/kernels/conv.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

constexpr int most_in = 4;

// The convolution on the padded copy. Past its last window a line has kw - 1 pixels that begin
// none.
ConvShape windows_shape(const ConvShape& s) {
  ConvShape windows = s;
  windows.h = s.h + 2 * s.padding;
  windows.w = s.w + 2 * s.padding;
  windows.in = s.in * s.kw;
  windows.kw = 1;
  windows.padding = 0;
  return windows;
}

// In scratch of the calling thread; chunks on other threads only read it.
const Scalar* padded_copy(const ConvShape& s, const Scalar* x) {
  const int high = s.h + 2 * s.padding, wide = s.w + 2 * s.padding;
  auto* copy = thread_scratch<Scalar>(3, static_cast<size_t>(int64_t{s.n} * high * wide) * s.in);
  parallel_ranges(int64_t{s.n} * high, 64, [&](int64_t begin, int64_t end) {
    for (int64_t line = begin; line < end; ++line) {
      Scalar* to = copy + line * wide * s.in;
      const auto h = static_cast<int>(line % high) - s.padding;
      if (h < 0 || h >= s.h) {
        std::fill_n(to, int64_t{wide} * s.in, Scalar{0});
        continue;
      }
      const int side = s.padding * s.in, row = s.w * s.in;
      std::fill_n(to, side, Scalar{0});
      std::copy_n(x + (line / high * s.h + h) * row, row, to + side);
      std::fill_n(to + side + row, side, Scalar{0});
    }
  });
  return copy;
}

}  // namespace

// Backward-data may want a column more than windows reach, which would begin in one line and end in
// the next.
bool conv_stem_fits(const ConvShape& s) {
  const bool ends_inside = (s.out_w - 1) * s.stride + s.kw <= s.w + 2 * s.padding;
  return s.groups == 1 && s.dilation == 1 && s.in <= most_in && s.kw > 1 && ends_inside &&
         conv_direct_fits(s);
}

Tensor conv_pack_stem(const ConvShape& s, const Scalar* w) {
  return conv_pack_direct(windows_shape(s), w);
}

void conv_forward_stem(const ConvForward& c) {
  ConvForward windows = c;
  windows.shape = windows_shape(c.shape);
  windows.x = padded_copy(c.shape, c.x);
  conv_forward_windows(windows, c.shape.in);
}

void conv_backward_weights_stem(const ConvBackwardWeights& c) {
  ConvBackwardWeights windows = c;
  windows.shape = windows_shape(c.shape);
  windows.x = padded_copy(c.shape, c.x);
  conv_backward_weights_windows(windows, c.shape.in);
}

}  // namespace bonsai
