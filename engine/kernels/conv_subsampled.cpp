// 1x1 convolution of a stride above one, a ResNet's projection shortcut: it reads one pixel of each
// stride x stride, so that with these side by side it is a 1x1 convolution of stride one, whose
// rows compute it. The pixels are copied a few images at a time, which stay in the second cache.
#include <algorithm>

#include "engine/kernels/conv.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

constexpr int pixels_scratch = 2;  // the rows of stride one use 0 and 1
constexpr size_t scratch_scalars = size_t{1} << 16;

ConvShape dense(const ConvShape& s, int images) {
  ConvShape to = s;
  to.n = images, to.h = s.out_h, to.w = s.out_w, to.stride = 1;
  return to;
}

int64_t image_scalars(const ConvShape& s) { return int64_t{s.h} * s.w * s.in; }
int64_t pixels_of_image(const ConvShape& s) { return int64_t{s.out_h} * s.out_w; }

// body(first image, images, scratch for the pixels that are read of them).
template <class Body>
void for_each_part(const ConvShape& s, const Body& body) {
  const auto scalars = static_cast<size_t>(pixels_of_image(s) * s.in);
  const auto images = static_cast<int64_t>(std::max<size_t>(1, scratch_scalars / scalars));
  parallel_ranges(s.n, images, [&](int64_t begin, int64_t end) {
    const auto count = static_cast<int>(end - begin);
    body(begin, count, thread_scratch<Scalar>(pixels_scratch, scalars * (end - begin)));
  });
}

// The pixels that are read of some images, side by side.
void pick(const ConvShape& s, const Scalar* x, int images, Scalar* picked) {
  for (int n = 0; n < images; ++n, x += image_scalars(s)) {
    for (int i = 0; i < s.out_h; ++i) {
      const Scalar* from = x + int64_t{i} * s.stride * s.w * s.in;
      for (int j = 0; j < s.out_w; ++j, from += s.stride * s.in, picked += s.in) {
        std::copy_n(from, s.in, picked);
      }
    }
  }
}

// Back to where they are from, among zeros; `add`: onto what is there.
void put_back(const ConvShape& s, const Scalar* picked, int images, bool add, Scalar* x) {
  if (!add) std::fill_n(x, images * image_scalars(s), Scalar{0});
  for (int n = 0; n < images; ++n, x += image_scalars(s)) {
    for (int i = 0; i < s.out_h; ++i) {
      Scalar* to = x + int64_t{i} * s.stride * s.w * s.in;
      for (int j = 0; j < s.out_w; ++j, to += s.stride * s.in, picked += s.in) {
        for (int c = 0; c < s.in; ++c) to[c] += picked[c];
      }
    }
  }
}

}  // namespace

bool conv_subsampled_fits(const ConvShape& s) {
  return s.kh == 1 && s.kw == 1 && s.stride > 1 && s.padding == 0 && s.groups == 1;
}

Tensor conv_pack_subsampled(const ConvShape& s, const Scalar* w) {
  return conv_pack(dense(s, s.n), w);
}

Tensor conv_pack_backward_data_subsampled(const ConvShape& s, const Scalar* w) {
  return conv_pack_backward_data(dense(s, s.n), w);
}

void conv_forward_subsampled(const ConvForward& c) {
  const Tensor own = c.packed == nullptr ? conv_pack_subsampled(c.shape, c.w) : Tensor();
  for_each_part(c.shape, [&](int64_t first, int images, Scalar* picked) {
    pick(c.shape, c.x + first * image_scalars(c.shape), images, picked);
    ConvForward part = c;
    part.shape = dense(c.shape, images);
    part.x = picked;
    part.y = c.y + first * pixels_of_image(c.shape) * c.shape.out;
    if (own.defined()) part.packed = own.data();
    conv_forward(part);
  });
}

void conv_backward_data_subsampled(const ConvBackwardData& c) {
  const Tensor own =
      c.packed == nullptr ? conv_pack_backward_data_subsampled(c.shape, c.w) : Tensor();
  for_each_part(c.shape, [&](int64_t first, int images, Scalar* picked) {
    ConvBackwardData part = c;
    part.shape = dense(c.shape, images);
    part.dy = c.dy + first * pixels_of_image(c.shape) * c.shape.out;
    part.dx = picked;
    part.add = false;
    if (own.defined()) part.packed = own.data();
    conv_backward_data(part);
    put_back(c.shape, picked, images, c.add, c.dx + first * image_scalars(c.shape));
  });
}

void conv_backward_weights_subsampled(const ConvBackwardWeights& c) {
  const ConvShape whole = dense(c.shape, c.shape.n);
  const Tensor picked = Tensor::uninitialized({whole.n, whole.h, whole.w, whole.in});
  parallel_ranges(whole.n, 1, [&](int64_t first, int64_t end) {
    pick(c.shape, c.x + first * image_scalars(c.shape), static_cast<int>(end - first),
         picked.data() + first * image_scalars(whole));
  });
  ConvBackwardWeights call = c;
  call.shape = whole;
  call.x = picked.data();
  conv_backward_weights(call);
}

}  // namespace bonsai
