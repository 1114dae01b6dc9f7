// Backward-weights in groups of at most 8 channels: for every tap and exchange the products of x
// with dy, its lanes exchanged, summed over a line of pixels in registers, then over the lines of a
// share of the images, then over the shares in order.
#include <algorithm>

#include "engine/kernels/ahead.h"
#include "engine/kernels/conv_small_groups.h"
#include "engine/kernels/finish.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

// Taps of one column of the kernel, which reach into the image for the same results.
template <class Body>
void for_each_column(const TapLine& line, const Body& body) {
  for (const LaneTap* begin = line.begin(); begin != line.end();) {
    const LaneTap* end = begin;
    while (end != line.end() && end->first == begin->first && end->last == begin->last) ++end;
    body(begin, static_cast<int>(end - begin));
    begin = end;
  }
}

// So many sums of a group stand in registers only for the taps of a column at a time.
bool by_columns(const SmallGroups& g) { return g.size > 2; }

// dw += what a line of dy gives: all taps at once for the pixels that they have in common, and a
// column of them for others at the borders of the line, or everywhere.
void add_line(const SmallGroups& g, const TapLine& line, int64_t x_step, int pixels,
              const Scalar* dy, Scalar* dw, Ahead<Use::read> next_x, Ahead<Use::read> next_dy) {
  const auto kernel = g.weights();
  const auto add = [&](const LaneTap* taps, int count, int begin, int end) {
    for (int q = begin; q < end; q += piece) {
      next_x.fetch();
      next_dy.fetch();
      kernel(taps, count, x_step, q, std::min(end, q + piece), g.channels(), dy, dw);
    }
  };
  if (by_columns(g)) {
    return for_each_column(
        line, [&](const LaneTap* taps, int count) { add(taps, count, taps->first, taps->last); });
  }
  const Inner inner(line, pixels);
  for_each_column(line, [&](const LaneTap* taps, int count) {
    kernel(taps, count, x_step, taps->first, std::min(inner.begin, taps->last), g.channels(), dy,
           dw);
    kernel(taps, count, x_step, std::max(inner.end, taps->first), taps->last, g.channels(), dy, dw);
  });
  add(line.begin(), line.count(), inner.begin, inner.end);
}

// The image with gaps where its groups need them.
const Scalar* spread(const SmallGroups& g, const Scalar* image, int64_t pixels, int used,
                     int slot) {
  if (used == g.size) return image;
  auto* copy = thread_scratch<Scalar>(slot, static_cast<size_t>(pixels * g.channels()));
  spread_groups(g, image, pixels, used, copy);
  return copy;
}

// dw (+)= sums, from [taps][size][channels] to [out][taps][group_in].
void turn(const ConvBackwardWeights& c, const SmallGroups& g, const Scalar* sums) {
  const ConvShape& s = c.shape;
  Scalar* dw = c.dw;
  for (int out = 0; out < s.out; ++out) {
    const int group = out / s.group_out(), o = out % s.group_out();
    for (int tap = 0; tap < s.taps(); ++tap) {
      for (int i = 0; i < s.group_in(); ++i, ++dw) {
        const int64_t row = int64_t{tap} * g.size + (i ^ o);
        *dw = (c.add ? *dw : Scalar{0}) + sums[row * g.channels() + group * g.size + i];
      }
    }
  }
}

}  // namespace

void conv_backward_weights_small_groups(const ConvBackwardWeights& c) {
  const ConvShape& s = c.shape;
  const SmallGroups g(s);
  const int64_t channels = g.channels();
  const int share = (s.n + 15) / 16;
  const int parts = (s.n + share - 1) / share;
  const Tensor partial({parts, s.taps(), g.size, g.channels()});
  const int64_t size = int64_t{s.taps()} * g.size * channels;
  const int shares = pieces(s.out_w) * (by_columns(g) ? s.kw : 1);
  parallel_chunks(parts, [&](int64_t part) {
    TapLine line(s, 2);
    for (int64_t n = part * share; n < std::min<int64_t>(s.n, (part + 1) * share); ++n) {
      const Scalar* x = spread(g, c.x + n * s.h * s.w * s.in, int64_t{s.h} * s.w, s.group_in(), 0);
      const int64_t pixels = int64_t{s.out_h} * s.out_w;
      const Scalar* dy = spread(g, c.dy + n * pixels * s.out, pixels, s.group_out(), 1);
      for (int oh = 0; oh < s.out_h; ++oh) {
        Ahead<Use::read> next_x(c.x + ((n * s.h + (oh + 1) * s.stride + s.kh / 2) * s.w) * s.in,
                                int64_t{s.stride} * s.w * s.in, shares);
        Ahead<Use::read> next_dy(c.dy + (n * s.out_h + oh + 1) * s.out_w * s.out,
                                 int64_t{s.out_w} * s.out, shares);
        collect_taps(s, g, x, oh, line);
        add_line(g, line, s.stride * channels, s.out_w, dy + int64_t{oh} * s.out_w * channels,
                 partial.data() + part * size, next_x, next_dy);
      }
    }
  });
  add_parts(partial.data() + size, parts - 1, size, partial.data(), true);
  turn(c, g, partial.data());
}

}  // namespace bonsai
