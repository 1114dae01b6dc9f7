// Depthwise convolution: one filter per channel, no sum over channels, so a product would starve;
// direct loops run along the channels instead. Weights [C, kh, kw, 1] are turned into
// [kh, kw, C] first, so that every access is contiguous.
#include <algorithm>

#include "engine/kernels/conv.h"
#include "engine/kernels/finish.h"
#include "engine/parallel.h"
#include "engine/simd.h"

namespace bonsai {
namespace {

BONSAI_SIMD void multiply_add(const Scalar* a, const Scalar* b, Scalar* y, int n) {
  for (int i = 0; i < n; ++i) y[i] += a[i] * b[i];
}

// visit(tap, input pixel) for the taps of output (oh, ow) that lie inside the image.
template <class Visit>
void for_each_tap(const ConvShape& s, int oh, int ow, const Visit& visit) {
  for (int kh = 0; kh < s.kh; ++kh) {
    const int ih = oh * s.stride - s.padding + kh * s.dilation;
    if (ih < 0 || ih >= s.h) continue;
    for (int kw = 0; kw < s.kw; ++kw) {
      const int iw = ow * s.stride - s.padding + kw * s.dilation;
      if (iw >= 0 && iw < s.w) visit(kh * s.kw + kw, int64_t{ih} * s.w + iw);
    }
  }
}

// The weights as [taps, channels], in scratch of the calling thread.
const Scalar* channels_last(const ConvShape& s, const Scalar* w) {
  auto* t = thread_scratch<Scalar>(0, static_cast<size_t>(int64_t{s.taps()} * s.in));
  for (int c = 0; c < s.in; ++c) {
    for (int tap = 0; tap < s.taps(); ++tap) {
      t[int64_t{tap} * s.in + c] = w[int64_t{c} * s.taps() + tap];
    }
  }
  return t;
}

}  // namespace

void conv_forward_depthwise(const ConvForward& c) {
  const ConvShape& s = c.shape;
  const Scalar* w = channels_last(s, c.w);
  parallel_ranges(int64_t{s.n} * s.out_h, std::max(1, 64 / s.out_w),
                  [&](int64_t begin, int64_t end) {
                    for (int64_t line = begin; line < end; ++line) {
                      const Scalar* x = c.x + line / s.out_h * s.h * s.w * s.in;
                      const auto oh = static_cast<int>(line % s.out_h);
                      for (int ow = 0; ow < s.out_w; ++ow) {
                        Scalar* y = c.y + (line * s.out_w + ow) * s.out;
                        if (!c.add) std::fill_n(y, s.out, Scalar{0});
                        for_each_tap(s, oh, ow, [&](int tap, int64_t pixel) {
                          multiply_add(x + pixel * s.in, w + int64_t{tap} * s.in, y, s.in);
                        });
                      }
                    }
                    finish_rows(c.y + begin * s.out_w * s.out, (end - begin) * s.out_w, s.out,
                                s.out, c.b, c.activation);
                  });
}

void conv_backward_data_depthwise(const ConvBackwardData& c) {
  const ConvShape& s = c.shape;
  const Scalar* w = channels_last(s, c.w);
  const int64_t image_size = int64_t{s.h} * s.w * s.in;
  parallel_chunks(s.n, [&](int64_t n) {
    Scalar* dx = c.dx + n * image_size;
    if (!c.add) std::fill_n(dx, image_size, Scalar{0});
    for (int oh = 0; oh < s.out_h; ++oh) {
      for (int ow = 0; ow < s.out_w; ++ow) {
        const Scalar* dy = c.dy + ((n * s.out_h + oh) * s.out_w + ow) * s.out;
        for_each_tap(s, oh, ow, [&](int tap, int64_t pixel) {
          multiply_add(dy, w + int64_t{tap} * s.in, dx + pixel * s.in, s.in);
        });
      }
    }
  });
}

void conv_backward_weights_depthwise(const ConvBackwardWeights& c) {
  const ConvShape& s = c.shape;
  const int64_t size = int64_t{s.taps()} * s.in;
  const int share = (s.n + 15) / 16;
  const int parts = (s.n + share - 1) / share;
  const Tensor partial({parts, s.taps(), s.in});
  parallel_chunks(parts, [&](int64_t part) {
    Scalar* dw = partial.data() + part * size;
    for (int64_t n = part * share; n < std::min<int64_t>(s.n, (part + 1) * share); ++n) {
      const Scalar* x = c.x + n * s.h * s.w * s.in;
      for (int oh = 0; oh < s.out_h; ++oh) {
        for (int ow = 0; ow < s.out_w; ++ow) {
          const Scalar* dy = c.dy + ((n * s.out_h + oh) * s.out_w + ow) * s.out;
          for_each_tap(s, oh, ow, [&](int tap, int64_t pixel) {
            multiply_add(dy, x + pixel * s.in, dw + int64_t{tap} * s.in, s.in);
          });
        }
      }
    }
  });
  add_parts(partial.data() + size, parts - 1, size, partial.data(), true);
  for (int c_ = 0; c_ < s.in; ++c_) {
    for (int tap = 0; tap < s.taps(); ++tap) {
      Scalar& to = c.dw[int64_t{c_} * s.taps() + tap];
      to = (c.add ? to : Scalar{0}) + partial.data()[int64_t{tap} * s.in + c_];
    }
  }
}

}  // namespace bonsai
