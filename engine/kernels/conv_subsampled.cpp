// The derivatives of a 1x1 convolution of a stride above one, a ResNet's projection shortcut: it
// reads one pixel of each stride x stride, so that with these side by side it is a 1x1 convolution
// of stride one, whose rows compute them. By data they are put back a few images at a time, which
// stay in the second cache; backward-weights, which would pass over the derivative each time, takes
// all of them at once. Forward, the direct row's table of pixels costs less than a copy.
#include <algorithm>

#include "engine/ceil_div.h"
#include "engine/kernels/conv.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

constexpr int pixels_scratch = 2;                    // the rows of stride one use 0 and 1
constexpr int64_t part_scalars = int64_t{1} << 16;   // for the second cache
constexpr int64_t piece_scalars = int64_t{1} << 13;  // that a thread copies at a time

int64_t image_scalars(const ConvShape& s) { return int64_t{s.h} * s.w * s.in; }

// body(line of x, the same line of the pixels that are read) for some images.
template <class Body>
void for_each_line(const ConvShape& s, int64_t images, const Body& body) {
  const int64_t line = int64_t{s.out_w} * s.in;
  parallel_ranges(images * s.out_h, piece_scalars / line, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t image = i / s.out_h, row = i % s.out_h * s.stride;
      body(image * image_scalars(s) + row * s.w * s.in, i * line);
    }
  });
}

// x of some images: what the convolution has for the pixels that it reads, among zeros; `add`:
// added to what is there.
void put_back(const ConvShape& s, const Scalar* picked, int64_t images, bool add, Scalar* x) {
  if (!add) std::fill_n(x, images * image_scalars(s), Scalar{0});
  for_each_line(s, images, [&](int64_t to, int64_t from) {
    for (int j = 0; j < s.out_w; ++j, to += s.stride * s.in, from += s.in) {
      for (int c = 0; c < s.in; ++c) x[to + c] += picked[from + c];
    }
  });
}

}  // namespace

bool conv_subsampled_fits(const ConvShape& s) {
  return s.kh == 1 && s.kw == 1 && s.stride > 1 && s.padding == 0 && s.groups == 1;
}

// Of few channels, copies take longer than what they save.
bool conv_backward_weights_subsampled_fits(const ConvShape& s) {
  return conv_subsampled_fits(s) && s.in >= 64;
}

ConvShape conv_subsampled_dense(const ConvShape& s) {
  ConvShape to = s;
  to.h = s.out_h, to.w = s.out_w, to.stride = 1;
  return to;
}

Tensor conv_pack_backward_data_subsampled(const ConvShape& s, const Scalar* w) {
  return conv_pack_backward_data(conv_subsampled_dense(s), w);
}

void conv_backward_data_subsampled(const ConvBackwardData& c) {
  const ConvShape& s = c.shape;
  const Tensor own = c.packed == nullptr ? conv_pack_backward_data_subsampled(s, c.w) : Tensor();
  const int64_t pixels = int64_t{s.out_h} * s.out_w, scalars = pixels * s.in;
  // Pixels enough for the row that the whole batch would take.
  const int64_t fewest = ceil_div(pointwise_tiles_pixels, pixels);
  const int64_t fitting = std::max(part_scalars / scalars, fewest);
  const int64_t images = std::min<int64_t>(fitting, s.n);
  parallel_ranges(s.n, images, [&](int64_t begin, int64_t end) {
    auto* picked = thread_scratch<Scalar>(pixels_scratch, static_cast<size_t>(images * scalars));
    ConvBackwardData part = c;
    part.shape = conv_subsampled_dense(s);
    part.shape.n = static_cast<int>(end - begin);
    part.dy = c.dy + begin * pixels * s.out;
    part.dx = picked;
    part.add = false;
    if (own.defined()) part.packed = own.data();
    conv_backward_data(part);
    put_back(s, picked, end - begin, c.add, c.dx + begin * image_scalars(s));
  });
}

void conv_backward_weights_subsampled(const ConvBackwardWeights& c) {
  ConvBackwardWeights call = c;
  call.shape = conv_subsampled_dense(c.shape);
  const ConvShape& s = call.shape;
  const Tensor picked = Tensor::uninitialized({s.n, s.h, s.w, s.in});
  Scalar* const to = picked.data();
  for_each_line(c.shape, s.n, [&](int64_t from, int64_t line) {
    for (int j = 0; j < s.w; ++j) {
      std::copy_n(c.x + from + int64_t{j} * c.shape.stride * s.in, s.in, to + line + j * s.in);
    }
  });
  call.x = to;
  conv_backward_weights(call);
}

}  // namespace bonsai
