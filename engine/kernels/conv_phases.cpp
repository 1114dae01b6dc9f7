// Backward-data of a stride above one: the inputs fall into phases, those whose coordinates leave
// the same remainders, and each phase is a convolution of dy, of stride one, with every stride-th
// tap. Nothing is multiplied by the zeros that a stride puts between the pixels of dy.
#include <algorithm>
#include <utility>
#include <vector>

#include "engine/ceil_div.h"
#include "engine/kernels/columns.h"
#include "engine/kernels/conv.h"
#include "engine/kernels/tile.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

// Along one axis: the taps first, first + stride, ... reach the inputs phase, phase + stride, ...
struct Phase {
  int first, taps;
  int padding;  // of the convolution of dy

  Phase(const ConvShape& s, int kernel, int phase) : first((phase + s.padding) % s.stride) {
    taps = first < kernel ? ceil_div(kernel - first, s.stride) : 0;
    padding = taps - 1 - (phase + s.padding - first) / s.stride;
  }
};

// w [out, kh, kw, in / groups] -> [in, taps, taps, out / groups]: a phase's, the last ones first.
Tensor weights_of(const ConvShape& s, const Phase& h, const Phase& w, const Scalar* weights) {
  const int gi = s.group_in(), go = s.group_out();
  const Tensor turned = Tensor::uninitialized({s.in, h.taps, w.taps, go});
  parallel_chunks(s.in, [&](int64_t in) {
    Scalar* to = turned.data() + in * h.taps * w.taps * go;
    for (int i = h.taps - 1; i >= 0; --i) {
      for (int j = w.taps - 1; j >= 0; --j) {
        const int64_t tap = int64_t{h.first + i * s.stride} * s.kw + w.first + j * s.stride;
        for (int64_t o = in / gi * go, end = o + go; o < end; ++o) {
          *to++ = weights[(o * s.taps() + tap) * gi + in % gi];
        }
      }
    }
  });
  return turned;
}

// The convolution of dy that makes the inputs of a phase.
struct Part {
  Phase h, w;
  ConvShape shape;
  int64_t first;   // of these inputs in an image
  int64_t packed;  // where its weights are, unless no tap reaches them
};

std::vector<Part> parts_of(const ConvShape& s) {
  std::vector<Part> parts;
  int64_t packed = 0;
  for (int i = 0; i < std::min(s.stride, s.h); ++i) {
    for (int j = 0; j < std::min(s.stride, s.w); ++j) {
      const Phase h(s, s.kh, i), w(s, s.kw, j);
      ConvShape to = s;
      to.h = s.out_h, to.w = s.out_w, to.in = s.out;
      to.out_h = ceil_div(s.h - i, s.stride);
      to.out_w = ceil_div(s.w - j, s.stride);
      to.out = s.in;
      to.kh = h.taps, to.kw = w.taps, to.stride = 1, to.padding = h.padding;
      parts.push_back({h, w, to, (int64_t{i} * s.w + j) * s.in, packed});
      if (to.taps() > 0) packed += conv_packed_direct_size(to);
    }
  }
  return parts;
}

// dx: the first of a phase's inputs, whose next ones lie a stride away.
void make(const ConvBackwardData& c, const Part& part, int images, const Scalar* dy,
          const Scalar* packed, Scalar* dx) {
  ConvShape s = part.shape;
  if (s.taps() == 0 && c.add) return;
  s.n = images;
  auto* pixels = thread_scratch<Scalar>(2, static_cast<size_t>(s.pixels() * s.out));
  if (s.taps() > 0) {
    conv_forward_direct({.shape = s,
                         .x = dy,
                         .w = nullptr,
                         .b = nullptr,
                         .y = pixels,
                         .packed = packed + part.packed});
  } else {
    std::fill_n(pixels, s.pixels() * s.out, Scalar{0});
  }
  const int64_t column = int64_t{c.shape.stride} * s.out, line = column * c.shape.w;
  const int64_t image = int64_t{c.shape.h} * c.shape.w * s.out;
  for (int n = 0; n < images; ++n, dx += image) {
    for (int i = 0; i < s.out_h; ++i, pixels += int64_t{s.out_w} * s.out) {
      copy_columns(pixels, s.out, dx + i * line, column, s.out_w, s.out, c.add);
    }
  }
}

}  // namespace

// Two phases of different padding would need a convolution whose padding differs by axis.
bool conv_phases_fits(const ConvShape& s) {
  if (s.stride == 1 || s.dilation != 1 || s.kh != s.kw) return false;
  if (tile_kernels() == nullptr || s.group_in() < 2) return false;
  const int padding = Phase(s, s.kh, 0).padding;
  for (int phase = 1; phase < s.stride; ++phase) {
    const Phase other(s, s.kh, phase);
    if (other.taps > 0 && other.padding != padding) return false;
  }
  return Phase(s, s.kh, 0).taps > 0;
}

Tensor conv_pack_phases(const ConvShape& s, const Scalar* w) {
  const std::vector<Part> parts = parts_of(s);
  std::vector<Tensor> packed;
  size_t size = 0;
  for (const Part& part : parts) {
    if (part.shape.taps() == 0) continue;
    packed.push_back(conv_pack_direct(part.shape, weights_of(s, part.h, part.w, w).data()));
    size += packed.back().size();
  }
  const Tensor all = Tensor::uninitialized({static_cast<int>(size)});
  Scalar* to = all.data();
  for (const Tensor& one : packed) to = std::copy_n(one.data(), one.size(), to);
  return all;
}

void conv_backward_data_phases(const ConvBackwardData& c) {
  const ConvShape& s = c.shape;
  Tensor own;
  if (c.packed == nullptr) own = conv_pack_phases(s, c.w);
  const Scalar* packed = c.packed != nullptr ? c.packed : own.data();
  const int64_t image = int64_t{s.h} * s.w * s.in, pixels = int64_t{s.out_h} * s.out_w;
  // Small images are too few pixels for the chunks of the direct row.
  const int64_t images = std::clamp<int64_t>(768 / pixels, 1, std::max(1, s.n / 4));
  const std::vector<Part> parts = parts_of(s);
  parallel_ranges(s.n, images, [&](int64_t begin, int64_t end) {
    for (const Part& part : parts) {
      make(c, part, static_cast<int>(end - begin), c.dy + begin * pixels * s.out, packed,
           c.dx + begin * image + part.first);
    }
  });
}

}  // namespace bonsai
