// Convolution as its definition: the algorithmic reference that every other row is held against.
//   y[n, oh, ow, o] = b[o] + sum over kh, kw, i of w[o, kh, kw, i] x[n, ih, iw, g in/groups + i]
// with ih = oh stride - padding + kh dilation, iw alike, and g the group of o; x is zero outside.
// The two backward directions visit the same terms and add to the other two operands. Channels of
// groups that take turns are found where those have put them.
#include <algorithm>

#include "engine/kernels/conv.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

// Where channel i of group g is, of `size` in each.
int place(const ConvShape& s, int g, int i, int size) {
  return s.interleaved ? i * s.groups + g : g * size + i;
}

// visit(x index, w index) for every term of output (n, oh, ow, o) that lies inside the image.
template <class Visit>
void for_each_term(const ConvShape& s, int n, int oh, int ow, int o, const Visit& visit) {
  const int g = o / s.group_out();
  for (int kh = 0; kh < s.kh; ++kh) {
    const int ih = oh * s.stride - s.padding + kh * s.dilation;
    if (ih < 0 || ih >= s.h) continue;
    for (int kw = 0; kw < s.kw; ++kw) {
      const int iw = ow * s.stride - s.padding + kw * s.dilation;
      if (iw < 0 || iw >= s.w) continue;
      const int64_t x = ((int64_t{n} * s.h + ih) * s.w + iw) * s.in;
      const int64_t w = ((int64_t{o} * s.kh + kh) * s.kw + kw) * s.group_in();
      for (int i = 0; i < s.group_in(); ++i) visit(x + place(s, g, i, s.group_in()), w + i);
    }
  }
}

// visit(y index, n, oh, ow, o) for every output of image n and group g.
template <class Visit>
void for_each_output(const ConvShape& s, int n, int g, const Visit& visit) {
  for (int oh = 0; oh < s.out_h; ++oh) {
    for (int ow = 0; ow < s.out_w; ++ow) {
      const int64_t pixel = (int64_t{n} * s.out_h + oh) * s.out_w + ow;
      for (int o = 0; o < s.group_out(); ++o) {
        visit(pixel * s.out + place(s, g, o, s.group_out()), oh, ow, g * s.group_out() + o);
      }
    }
  }
}

}  // namespace

void conv_forward_plain(const ConvForward& c) {
  parallel_chunks(c.shape.n, [&](int64_t image) {
    const int n = static_cast<int>(image);
    for (int g = 0; g < c.shape.groups; ++g) {
      for_each_output(c.shape, n, g, [&](int64_t y, int oh, int ow, int o) {
        Scalar sum = c.b != nullptr ? c.b[o] : 0;
        for_each_term(c.shape, n, oh, ow, o, [&](int64_t x, int64_t w) { sum += c.x[x] * c.w[w]; });
        if (c.add) sum += c.y[y];
        activate(c.activation, &sum, &c.y[y], 1);
      });
    }
  });
}

void conv_backward_data_plain(const ConvBackwardData& c) {
  const ConvShape& s = c.shape;
  const int64_t image_size = int64_t{s.h} * s.w * s.in;
  parallel_chunks(s.n, [&](int64_t image) {
    const int n = static_cast<int>(image);
    if (!c.add) std::fill_n(c.dx + image * image_size, image_size, Scalar{0});
    for (int g = 0; g < s.groups; ++g) {
      for_each_output(s, n, g, [&](int64_t y, int oh, int ow, int o) {
        for_each_term(s, n, oh, ow, o, [&](int64_t x, int64_t w) { c.dx[x] += c.dy[y] * c.w[w]; });
      });
    }
  });
}

void conv_backward_weights_plain(const ConvBackwardWeights& c) {
  const ConvShape& s = c.shape;
  const int64_t group_size = int64_t{s.group_out()} * s.depth();
  parallel_chunks(s.groups, [&](int64_t group) {
    if (!c.add) std::fill_n(c.dw + group * group_size, group_size, Scalar{0});
    for (int n = 0; n < s.n; ++n) {
      for_each_output(s, n, static_cast<int>(group), [&](int64_t y, int oh, int ow, int o) {
        for_each_term(s, n, oh, ow, o, [&](int64_t x, int64_t w) { c.dw[w] += c.dy[y] * c.x[x]; });
      });
    }
  });
}

}  // namespace bonsai
