// The first convolution of a network reads three channels, too few for the direct row's inner
// loop. In a copy of some lines of a picture with their padding, the kw pixels that a kernel row
// reads are one run of kw * in scalars, and those of the next output lie a few scalars further: a
// register tile walks along a line without a table of pixels. The copy is small beside the output,
// which has many more channels.
#include <algorithm>

#include "engine/ceil_div.h"
#include "engine/kernels/ahead.h"
#include "engine/kernels/columns.h"
#include "engine/kernels/conv.h"
#include "engine/kernels/finish.h"
#include "engine/kernels/processor.h"
#include "engine/kernels/tile.h"
#include "engine/kernels/vector.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

constexpr int most_in = 4, most_parts = 16;
constexpr int most_pixels = 8, most_width = 32;  // of a tile

// The windows of a line's outputs: `lines` runs of `run` scalars, the next line `line` further, and
// the next output's `step`.
struct Windows {
  int lines, run;
  int64_t line, step;
};

struct StemTile {
  // y[p * stride + c] (+)= sum over the window of output p, which begins at x + p * step, and w
  // [lines][run][width], for p < tiles * pixels and c < columns, at most one vector (narrow) or two
  // (wide).
  using Forward = void (*)(int tiles, const Scalar* x, const Windows& windows, const Scalar* w,
                           Scalar* y, int64_t stride, int columns, bool add);
  Forward wide, narrow;
  int pixels;
};

template <int bytes, int pixels, int vectors>
[[gnu::always_inline]] inline void forward_tile(const Scalar* x, const Windows& windows,
                                                const Scalar* w, Scalar* y, int64_t stride,
                                                int columns, bool add) {
  using Vector = typename VectorOf<bytes>::Type;
  constexpr int lanes = bytes / static_cast<int>(sizeof(Scalar)), last = (vectors - 1) * lanes;
  Vector sum[pixels][vectors] = {};
  if (add) {
#pragma GCC unroll 16
    for (int p = 0; p < pixels; ++p) {
      for (int v = 0; v < vectors - 1; ++v) load(sum[p][v], y + p * stride + v * lanes);
      load_first(sum[p][vectors - 1], y + p * stride + last, columns - last);
    }
  }
  for (int l = 0; l < windows.lines; ++l, x += windows.line) {
    for (int i = 0; i < windows.run; ++i, w += vectors * lanes) {
      Vector weight[vectors];
      for (int v = 0; v < vectors; ++v) load(weight[v], w + v * lanes);
#pragma GCC unroll 16
      for (int p = 0; p < pixels; ++p) {
        const Vector value = x[p * windows.step + i] - Vector{};
        for (int v = 0; v < vectors; ++v) sum[p][v] += value * weight[v];
      }
    }
  }
#pragma GCC unroll 16
  for (int p = 0; p < pixels; ++p, y += stride) {
    for (int v = 0; v < vectors - 1; ++v) store(y + v * lanes, sum[p][v]);
    store_first(y + last, sum[p][vectors - 1], columns - last);
  }
}

template <int bytes, int pixels, int vectors>
[[gnu::always_inline]] inline void forward_tiles(int tiles, const Scalar* x, const Windows& all,
                                                 const Scalar* w, Scalar* y, int64_t stride,
                                                 int columns, bool add) {
  const Windows windows = all;  // which no store can change
  for (int tile = 0; tile < tiles; ++tile) {
    forward_tile<bytes, pixels, vectors>(x, windows, w, y, stride, columns, add);
    x += pixels * windows.step;
    y += pixels * stride;
  }
}

// A macro, because an attribute cannot be a template's parameter.
#define BONSAI_STEM_TILE(set, attribute, bytes, pixels)                                            \
  attribute void wide_##set(int tiles, const Scalar* x, const Windows& windows, const Scalar* w,   \
                            Scalar* y, int64_t stride, int columns, bool add) {                    \
    forward_tiles<bytes, pixels, 2>(tiles, x, windows, w, y, stride, columns, add);                \
  }                                                                                                \
  attribute void narrow_##set(int tiles, const Scalar* x, const Windows& windows, const Scalar* w, \
                              Scalar* y, int64_t stride, int columns, bool add) {                  \
    forward_tiles<bytes, pixels, 1>(tiles, x, windows, w, y, stride, columns, add);                \
  }                                                                                                \
  constexpr StemTile tile_##set = {wide_##set, narrow_##set, pixels};
#if defined(__x86_64__)
BONSAI_STEM_TILE(avx2, __attribute__((target("avx2,fma"))), 32, 4)
BONSAI_STEM_TILE(avx512, __attribute__((target("avx512f,avx2,fma"))), 64, 8)
#elif defined(__aarch64__)
BONSAI_STEM_TILE(neon, , 16, 8)
#endif
#undef BONSAI_STEM_TILE

const StemTile* stem_tile() {
#if defined(__x86_64__)
  if (widest_vectors() == Vectors::baseline) return nullptr;
  return widest_vectors() == Vectors::avx512 ? &tile_avx512 : &tile_avx2;
#elif defined(__aarch64__)
  return &tile_neon;
#else
  return nullptr;
#endif
}

// The weights as the direct row packs those of a kernel of kh x 1 on windows.
ConvShape windows_shape(const ConvShape& s) {
  ConvShape windows = s;
  windows.in = s.in * s.kw;
  windows.kw = 1;
  return windows;
}

// Lines of outputs of one image, and where the windows of the first begin in a padded copy.
struct Band {
  int image, first, count;
  const Scalar* x;

  int64_t first_pixel(const ConvShape& s) const {
    return (int64_t{image} * s.out_h + first) * s.out_w;
  }
};

// How the work is cut: into bands whose copies stay in the first cache, and where these are few,
// into more.
class Bands {
 public:
  explicit Bands(const ConvShape& s) : s_(s), wide_(int64_t{s.w + 2 * s.padding} * s.in) {
    constexpr int64_t most_scalars = 4096, fewest_bands = 16;
    const int64_t lines = std::max<int64_t>(
        1, std::min(most_scalars / wide_ / s.stride, int64_t{s.n} * s.out_h / fewest_bands));
    in_image_ = static_cast<int>(ceil_div(s.out_h, lines));
  }

  int64_t count() const { return int64_t{s_.n} * in_image_; }
  Windows windows() const { return {s_.kh, s_.kw * s_.in, wide_, int64_t{s_.stride} * s_.in}; }
  int64_t next_line() const { return s_.stride * wide_; }  // from the windows of one to the next

  // In scratch of the calling thread. Tiles may read beyond the last line.
  Band copy(const Scalar* x, int64_t i) const {
    const auto image = static_cast<int>(i / in_image_), band = static_cast<int>(i % in_image_);
    const int first = s_.out_h * band / in_image_, end = s_.out_h * (band + 1) / in_image_;
    const int lines = (end - first - 1) * s_.stride + s_.kh;
    const int64_t size = lines * wide_, beyond = int64_t{most_pixels} * s_.stride * s_.in;
    auto* copy = thread_scratch<Scalar>(3, static_cast<size_t>(size + beyond));
    for (int l = 0; l < lines; ++l) {
      copy_line(x, image, first * s_.stride - s_.padding + l, copy + l * wide_);
    }
    std::fill_n(copy + size, beyond, Scalar{0});
    return {image, first, end - first, copy};
  }

 private:
  void copy_line(const Scalar* x, int image, int h, Scalar* to) const {
    if (h < 0 || h >= s_.h) {
      std::fill_n(to, wide_, Scalar{0});
      return;
    }
    const int side = s_.padding * s_.in, row = s_.w * s_.in;
    std::fill_n(to, side, Scalar{0});
    std::copy_n(x + (int64_t{image} * s_.h + h) * row, row, to + side);
    std::fill_n(to + side + row, side, Scalar{0});
  }

  const ConvShape& s_;
  int64_t wide_;  // scalars of a line of the copy
  int in_image_;
};

// y of one line of outputs. Pixels that stick out of it are computed aside.
void forward_line(const ConvForward& c, const Windows& windows, const Scalar* packed,
                  const Scalar* x, Scalar* y) {
  const ConvShape& s = c.shape;
  const StemTile& t = *stem_tile();
  const TileKernels& vectors = *tile_kernels();
  Ahead<Use::write> y_ahead(y + int64_t{s.out_w} * s.out, int64_t{s.out_w} * s.out,
                            vectors.blocks(s.out));
  for (int o = 0; o < s.out;) {
    const int width = vectors.width(s.out - o), columns = std::min(width, s.out - o);
    const auto forward = width > vectors.lanes ? t.wide : t.narrow;
    const Scalar* w = packed + int64_t{o} * s.depth();
    y_ahead.fetch();
    const int tiles = s.out_w / t.pixels, p = tiles * t.pixels;
    forward(tiles, x, windows, w, y + o, s.out, columns, c.add);
    if (p < s.out_w) {
      Scalar aside[most_pixels * most_width];
      forward(1, x + p * windows.step, windows, w, aside, width, width, false);
      copy_columns(aside, width, y + int64_t{p} * s.out + o, s.out, s.out_w - p, columns, c.add);
    }
    o += width;
  }
}

// sums [kh][kw * in][padded] += the share of a band, some lines of dy at a time, which stay in the
// first cache while the windows' lines take turns.
void add_band(const ConvBackwardWeights& c, const Bands& bands, const Band& band, int padded,
              Scalar* sums) {
  constexpr int most_scalars = 4096;
  const ConvShape& s = c.shape;
  const TileKernels& t = *tile_kernels();
  const Windows windows = bands.windows();
  const int run = windows.run, tiles = ceil_div(run, t.pixels);
  const int lines = std::clamp(most_scalars / (s.out_w * padded), 1, band.count);
  const auto block = static_cast<size_t>(lines * s.out_w);
  const auto** table = thread_scratch<const Scalar*>(0, block);
  auto* copy = thread_scratch<Scalar>(1, (block + 1) * static_cast<size_t>(padded));
  const int tiles_of_block = t.blocks(padded) * windows.lines * tiles;
  for (int line = 0; line < lines; ++line) {
    for (int column = 0; column < s.out_w; ++column) {
      table[line * s.out_w + column] = band.x + line * bands.next_line() + column * windows.step;
    }
  }
  for (int l = 0; l < band.count; l += lines) {
    const int count = std::min(lines, band.count - l) * s.out_w;
    const int64_t first = band.first_pixel(s) + int64_t{l} * s.out_w;
    const Scalar* dy = c.dy + first * s.out;
    BackwardAhead ahead{.y = {dy + int64_t{count} * s.out, int64_t{count} * s.out,
                              tiles_of_block * BackwardAhead::times(count)}};
    // Vectors read beyond the last output of a pixel, and must not beyond all of dy.
    if ((s.pixels() - first - count) * s.out < padded - s.out) {
      Scalar* end = std::copy_n(dy, int64_t{count} * s.out, copy);
      std::fill_n(end, padded - s.out, Scalar{0});
      dy = copy;
    }
    for (int o = 0; o < padded;) {
      const int width = t.width(padded - o);
      for (int k = 0; k < windows.lines; ++k) {
        for (int tile = 0; tile < tiles; ++tile) {
          const int i = run * tile / tiles, end = run * (tile + 1) / tiles;
          t.weights(width)(table, l * bands.next_line() + k * windows.line + i, end - i, dy + o,
                           s.out, count, sums + (int64_t{k} * run + i) * padded + o, padded, ahead);
        }
      }
      o += width;
    }
  }
}

}  // namespace

bool conv_stem_fits(const ConvShape& s) {
  // Backward-data may want a column more than windows reach, which would begin in one line and end
  // in the next.
  const bool ends_inside = (s.out_w - 1) * s.stride + s.kw <= s.w + 2 * s.padding;
  return s.groups == 1 && s.dilation == 1 && s.in <= most_in && s.kw > 1 && ends_inside &&
         conv_direct_fits(s);
}

Tensor conv_pack_stem(const ConvShape& s, const Scalar* w) {
  return conv_pack_direct(windows_shape(s), w);
}

void conv_forward_stem(const ConvForward& c) {
  const ConvShape& s = c.shape;
  Tensor own;
  if (c.packed == nullptr) own = conv_pack_stem(s, c.w);
  const Scalar* packed = c.packed != nullptr ? c.packed : own.data();
  const Bands bands(s);
  parallel_chunks(bands.count(), [&](int64_t i) {
    const Band band = bands.copy(c.x, i);
    for (int l = 0; l < band.count; ++l) {
      forward_line(c, bands.windows(), packed, band.x + l * bands.next_line(),
                   c.y + (band.first_pixel(s) + int64_t{l} * s.out_w) * s.out);
    }
    finish_rows(c.y + band.first_pixel(s) * s.out, int64_t{band.count} * s.out_w, s.out, s.out, c.b,
                c.activation);
  });
}

void conv_backward_weights_stem(const ConvBackwardWeights& c) {
  const ConvShape& s = c.shape;
  const Bands bands(s);
  const int padded = rounded_up(s.out, tile_kernels()->lanes);
  const int64_t size = int64_t{s.depth()} * padded;
  const auto parts = static_cast<int>(std::min<int64_t>(most_parts, bands.count()));
  const Tensor sums = Tensor::uninitialized({parts, static_cast<int>(size)});
  parallel_chunks(parts, [&](int64_t part) {
    Scalar* own = sums.data() + part * size;
    std::fill_n(own, size, Scalar{0});
    const int64_t end = bands.count() * (part + 1) / parts;
    for (int64_t i = bands.count() * part / parts; i < end; ++i) {
      add_band(c, bands, bands.copy(c.x, i), padded, own);
    }
  });
  add_parts(sums.data() + size, parts - 1, size, sums.data(), true);
  const int depth = s.depth();
  for (int64_t k = 0; k < int64_t{s.out} * depth; ++k) {
    const Scalar sum = sums.data()[k % depth * padded + k / depth];
    c.dw[k] = (c.add ? c.dw[k] : Scalar{0}) + sum;
  }
}

}  // namespace bonsai
