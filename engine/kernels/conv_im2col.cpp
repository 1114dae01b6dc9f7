// Convolution as a matrix product over blocks of output pixels small enough to stay in cache:
//   forward           y [P, out]    = col [P, K] w^T           K = kh kw in/groups
//   backward-weights  dw [out, K]  += dy^T [out, P] col
//   backward-data     dcol [P, K]   = dy w, then col2im adds dcol back to the image
// where col holds, for each of P pixels, the inputs its output reads. The whole batch's col would
// be kh kw times the activation and pass through memory twice; a block's never leaves the cache.
// For stride 1, backward-data is the forward convolution of dy with the kernel turned around.
// Grouped: the same products per group, on slices of the channels (leading dimensions).
#include <algorithm>
#include <cstring>

#include "engine/ceil_div.h"
#include "engine/kernels/conv.h"
#include "engine/kernels/conv_pixels.h"
#include "engine/kernels/finish.h"
#include "engine/kernels/gemm.h"
#include "engine/parallel.h"
#include "engine/simd.h"

namespace bonsai {
namespace {

// Rows of col per block: about 256 KiB, yet enough that packing the weights anew for each block
// costs little beside the product.
int64_t block_rows(const ConvShape& s) {
  return std::clamp<int64_t>((int64_t{1} << 16) / s.depth(), 128, 512);
}

// run(image offset or -1 for padding, col offset, floats) for each contiguous piece of the
// pixel's row of col. A kernel row is one piece where it lies inside the image.
template <class Run>
void for_each_piece(const ConvShape& s, int group, const ConvPixel& p, const Run& run) {
  const int depth = s.group_in();
  const int iw0 = p.ow * s.stride - s.padding;
  const bool whole_rows = s.groups == 1 && s.dilation == 1 && iw0 >= 0 && iw0 + s.kw <= s.w;
  int64_t col = 0;
  for (int kh = 0; kh < s.kh; ++kh) {
    const int ih = p.oh * s.stride - s.padding + kh * s.dilation;
    const bool inside = ih >= 0 && ih < s.h;
    const int64_t line = (int64_t{p.n} * s.h + ih) * s.w;
    if (!inside || whole_rows) {
      const int length = s.kw * depth;
      run(inside ? (line + iw0) * s.in : -1, col, length);
      col += length;
      continue;
    }
    for (int kw = 0; kw < s.kw; ++kw, col += depth) {
      const int iw = iw0 + kw * s.dilation;
      run(iw >= 0 && iw < s.w ? (line + iw) * s.in + int64_t{group} * depth : -1, col, depth);
    }
  }
}

// col [count, K] of the pixels from `first` on.
void im2col(const ConvShape& s, const Scalar* x, int group, int64_t first, int64_t count,
            Scalar* col) {
  ConvPixel p(s, first);
  for (int64_t i = 0; i < count; ++i, col += s.depth(), p.advance(s)) {
    for_each_piece(s, group, p, [&](int64_t from, int64_t to, int length) {
      const auto bytes = static_cast<size_t>(length) * sizeof(Scalar);
      if (from < 0) {
        std::memset(col + to, 0, bytes);
      } else {
        std::memcpy(col + to, x + from, bytes);
      }
    });
  }
}

BONSAI_SIMD void add_piece(const Scalar* from, Scalar* to, int length) {
  for (int i = 0; i < length; ++i) to[i] += from[i];
}

// dx += col, each element where im2col read it.
void col2im(const ConvShape& s, const Scalar* col, int group, int64_t first, int64_t count,
            Scalar* dx) {
  ConvPixel p(s, first);
  for (int64_t i = 0; i < count; ++i, col += s.depth(), p.advance(s)) {
    for_each_piece(s, group, p, [&](int64_t image, int64_t from, int length) {
      if (image >= 0) add_piece(col + from, dx + image, length);
    });
  }
}

// dw of the outputs [o0, o0 + outs) of one group, summed over the pixels [first, last).
void weights_of_range(const ConvBackwardWeights& c, int group, int o0, int outs, int64_t first,
                      int64_t last, Scalar* dw, bool add) {
  const ConvShape& s = c.shape;
  const int k = s.depth();
  const int64_t rows = block_rows(s);
  Scalar* col = thread_scratch<Scalar>(0, static_cast<size_t>(rows * k));
  for (int64_t begin = first; begin < last; begin += rows) {
    const int64_t count = std::min(rows, last - begin);
    im2col(s, c.x, group, begin, count, col);
    gemm(Transpose::yes, Transpose::no, outs, k, static_cast<int>(count), 1,
         c.dy + begin * s.out + int64_t{group} * s.group_out() + o0, s.out, col, k,
         begin == first && !add ? Scalar{0} : Scalar{1}, dw + int64_t{o0} * k, k);
  }
}

}  // namespace

void conv_forward_im2col(const ConvForward& c) {
  const ConvShape& s = c.shape;
  const int k = s.depth();
  const int64_t rows = block_rows(s);
  // A small map is cut finer, so that every thread finds work.
  const int64_t grain = std::min(rows, std::max<int64_t>(16, ceil_div(s.pixels(), 16)));
  parallel_ranges(s.pixels(), grain, [&](int64_t begin, int64_t end) {
    const auto count = static_cast<int>(end - begin);
    Scalar* col = thread_scratch<Scalar>(0, static_cast<size_t>(grain * k));
    Scalar* y = c.y + begin * s.out;
    for (int g = 0; g < s.groups; ++g) {
      im2col(s, c.x, g, begin, count, col);
      gemm(Transpose::no, Transpose::yes, count, s.group_out(), k, 1, col, k,
           c.w + int64_t{g} * s.group_out() * k, k, c.add ? Scalar{1} : Scalar{0},
           y + int64_t{g} * s.group_out(), s.out);
    }
    finish_rows(y, count, s.out, s.out, c.b, c.activation);
  });
}

void conv_backward_data_col2im(const ConvBackwardData& c) {
  const ConvShape& s = c.shape;
  const int k = s.depth();
  const int64_t map = int64_t{s.out_h} * s.out_w;
  const int64_t image_size = int64_t{s.h} * s.w * s.in;
  const int64_t rows = block_rows(s);
  // Whole images per chunk, since their pixels add to one another's inputs.
  parallel_ranges(s.n, std::max<int64_t>(1, rows / map), [&](int64_t begin, int64_t end) {
    if (!c.add) std::fill(c.dx + begin * image_size, c.dx + end * image_size, Scalar{0});
    Scalar* col = thread_scratch<Scalar>(0, static_cast<size_t>(rows * k));
    for (int64_t first = begin * map; first < end * map; first += rows) {
      const int64_t count = std::min(rows, end * map - first);
      for (int g = 0; g < s.groups; ++g) {
        gemm(Transpose::no, Transpose::no, static_cast<int>(count), k, s.group_out(), 1,
             c.dy + first * s.out + int64_t{g} * s.group_out(), s.out,
             c.w + int64_t{g} * s.group_out() * k, k, 0, col, k);
        col2im(s, col, g, first, count, c.dx);
      }
    }
  });
}

void conv_backward_weights_im2col(const ConvBackwardWeights& c) {
  const ConvShape& s = c.shape;
  const int k = s.depth();
  const int64_t size = int64_t{s.out} * k;
  // Many weights: each chunk owns some outputs of a group and reads all pixels.
  if (size > int64_t{1} << 18 || s.groups >= 16) {
    const int outs = std::min(s.group_out(), 64);
    const int cuts = ceil_div(s.group_out(), outs);
    parallel_chunks(int64_t{s.groups} * cuts, [&](int64_t chunk) {
      const auto g = static_cast<int>(chunk / cuts);
      const int o0 = static_cast<int>(chunk % cuts) * outs;
      weights_of_range(c, g, o0, std::min(outs, s.group_out() - o0), 0, s.pixels(),
                       c.dw + int64_t{g} * s.group_out() * k, c.add);
    });
    return;
  }
  // Few weights: each chunk owns some pixels and a copy of dw; the copies are added in order.
  const int64_t blocks = ceil_div(s.pixels(), block_rows(s));
  const int64_t share = ceil_div(blocks, 16) * block_rows(s);
  const int parts = static_cast<int>(ceil_div(s.pixels(), share));
  const Tensor partial = Tensor::uninitialized({parts, s.out, k});
  parallel_chunks(parts, [&](int64_t part) {
    for (int g = 0; g < s.groups; ++g) {
      weights_of_range(c, g, 0, s.group_out(), part * share,
                       std::min(s.pixels(), (part + 1) * share),
                       partial.data() + part * size + int64_t{g} * s.group_out() * k, false);
    }
  });
  add_parts(partial.data(), parts, size, c.dw, c.add);
}

}  // namespace bonsai
