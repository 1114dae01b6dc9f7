// Convolutions of maps so small that many taps of every output meet padding: of a 2x2 map under a
// 3x3 kernel five of nine. A register tile holds the same output of a few images, whose taps all
// meet the map or all miss it, and only those that meet it are multiplied. For that the images are
// copied into [pixel][image][channels], which costs little beside the products of so many channels.
// Weights are packed like the direct row's.
#include <algorithm>

#include "engine/ceil_div.h"
#include "engine/kernels/conv.h"
#include "engine/kernels/finish.h"
#include "engine/kernels/tile.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

constexpr int most_pixels = 12;  // rows of a register tile

// Along one axis: the taps [first, last) of an output meet the map, the first of them at `input`.
struct Taps {
  int first, last, input;

  Taps(int output, int taps, int size, const ConvShape& s) : first(0), last(taps) {
    const int start = output * s.stride - s.padding;
    while (first < last && start + first * s.dilation < 0) ++first;
    while (first < last && start + (last - 1) * s.dilation >= size) --last;
    input = start + first * s.dilation;
  }

  int count() const { return last - first; }
};

// Of all outputs along an axis.
int taps_met(int outputs, int taps, int size, const ConvShape& s) {
  int met = 0;
  for (int i = 0; i < outputs; ++i) met += Taps(i, taps, size, s).count();
  return met;
}

// Images [n, pixels, channels] as [pixel][image][channels], with a line of cache after each image:
// rows a power of two apart would fall on the same few lines.
struct ByPixel {
  int64_t images, pitch;
  Tensor values;

  ByPixel(const Scalar* from, int n, int pixels, int channels)
      : images(n),
        pitch(channels + 64 / static_cast<int64_t>(sizeof(Scalar))),
        values(Tensor::uninitialized({pixels, n, static_cast<int>(pitch)})) {
    parallel_chunks(n, [&](int64_t image) {
      for (int64_t p = 0; p < pixels; ++p) {
        std::copy_n(from + (image * pixels + p) * channels, channels,
                    values.data() + (p * n + image) * pitch);
      }
    });
  }

  const Scalar* row(int64_t pixel, int64_t image) const {
    return values.data() + (pixel * images + image) * pitch;
  }
};

// One block of output channels at one output pixel of all images; w: the block's weights.
void run_block(const ConvForward& c, const TileKernels& t, const ByPixel& x, int oh, int ow, int o,
               int width, const Scalar* w) {
  const ConvShape& s = c.shape;
  const Taps down(oh, s.kh, s.h, s), across(ow, s.kw, s.w, s);
  const int taps = down.count() > 0 ? across.count() : 0, lines = taps > 0 ? down.count() : 1;
  const int columns = std::min(width, s.out - o);
  const int64_t image = int64_t{s.out_h} * s.out_w * s.out;
  Scalar* y = c.y + (int64_t{oh} * s.out_w + ow) * s.out + o;
  const auto** table = thread_scratch<const Scalar*>(0, static_cast<size_t>(s.kw * most_pixels));
  ForwardAhead ahead;
  for (int first = 0; first < s.n; first += t.pixels) {
    const int count = std::min(t.pixels, s.n - first);
    for (int line = 0; line < lines; ++line) {  // where no tap meets the map: one of no taps
      for (int tap = 0; tap < taps; ++tap) {
        const int64_t pixel = int64_t{down.input + line * s.dilation} * s.w + across.input +
                              int64_t{tap} * s.dilation;
        for (int p = 0; p < t.pixels; ++p) {
          table[tap * t.pixels + p] = x.row(pixel, first + std::min(p, count - 1));
        }
      }
      const int64_t tap = int64_t{down.first + line} * s.kw + across.first;
      forward_pixels(t, count, width, table, taps, s.in, 0, w + tap * s.in * width,
                     y + first * image, image, columns, c.add || line > 0, ahead);
    }
  }
  finish_rows(y, s.n, columns, image, c.b != nullptr ? c.b + o : nullptr, c.activation);
}

}  // namespace

bool conv_small_maps_fits(const ConvShape& s) {
  constexpr int fewest_images = 24, most_pixels_of_map = 64;
  if (s.n < fewest_images || s.h * s.w > most_pixels_of_map) return false;
  if (s.groups != 1 || !conv_direct_fits(s)) return false;
  const int64_t met = int64_t{taps_met(s.out_h, s.kh, s.h, s)} * taps_met(s.out_w, s.kw, s.w, s);
  return 4 * met <= int64_t{3} * s.out_h * s.out_w * s.taps();
}

void conv_forward_small_maps(const ConvForward& c) {
  const TileKernels& t = *tile_kernels();
  const ConvShape& s = c.shape;
  Tensor own;
  if (c.packed == nullptr) own = conv_pack_direct(s, c.w);
  const Scalar* packed = c.packed != nullptr ? c.packed : own.data();
  const ByPixel x(c.x, s.n, s.h * s.w, s.in);
  const int wide = t.wide(), padded = rounded_up(s.out, t.lanes), pixels = s.out_h * s.out_w;
  parallel_chunks(int64_t{t.blocks(padded)} * pixels, [&](int64_t chunk) {
    const int o = static_cast<int>(chunk / pixels) * wide, pixel = static_cast<int>(chunk % pixels);
    run_block(c, t, x, pixel / s.out_w, pixel % s.out_w, o, std::min(wide, padded - o),
              packed + int64_t{o} * s.depth());
  });
}

bool conv_backward_weights_small_maps_fits(const ConvShape& s) {
  return conv_small_maps_fits(s) && s.in % tile_kernels()->lanes == 0;
}

// Vectors hold inputs, so that sums are added to dw as it lies.
void conv_backward_weights_small_maps(const ConvBackwardWeights& c) {
  constexpr int most_images = 128, rows = 48;  // outputs of a chunk
  const TileKernels& t = *tile_kernels();
  const ConvShape& s = c.shape;
  const ByPixel x(c.x, s.n, s.h * s.w, s.in), dy(c.dy, s.n, s.out_h * s.out_w, s.out);
  const int64_t depth = s.depth();
  // The sums of some outputs at one tap, from one output pixel of some images.
  auto add_products = [&](int64_t in_pixel, int64_t out_pixel, int first, int from, int to,
                          Scalar* dw) {
    const int count = std::min(most_images, s.n - first);
    const Scalar* errors[most_images];
    BackwardAhead ahead;
    for (int p = 0; p < count; ++p) errors[p] = dy.row(out_pixel, first + p);
    for (int i = 0; i < s.in;) {
      const int width = t.width(s.in - i);
      const auto kernel = t.weights(width);
      for (int o = from; o < to; o += t.pixels) {
        kernel(errors, o, std::min(t.pixels, to - o), x.row(in_pixel, first) + i, x.pitch, count,
               dw + o * depth + i, depth, ahead);
      }
      i += width;
    }
  };
  const int64_t shares = ceil_div(s.out, rows);
  parallel_chunks(shares * s.taps(), [&](int64_t chunk) {
    const int tap = static_cast<int>(chunk % s.taps()), kh = tap / s.kw, kw = tap % s.kw;
    const int from = static_cast<int>(chunk / s.taps()) * rows, to = std::min(s.out, from + rows);
    Scalar* dw = c.dw + int64_t{tap} * s.in;
    for (int o = from; o < to && !c.add; ++o) std::fill_n(dw + o * depth, s.in, Scalar{0});
    for (int oh = 0; oh < s.out_h; ++oh) {
      const int h = oh * s.stride - s.padding + kh * s.dilation;
      for (int ow = 0; ow < s.out_w; ++ow) {
        const int w = ow * s.stride - s.padding + kw * s.dilation;
        if (h < 0 || h >= s.h || w < 0 || w >= s.w) continue;
        for (int first = 0; first < s.n; first += most_images) {
          add_products(int64_t{h} * s.w + w, int64_t{oh} * s.out_w + ow, first, from, to, dw);
        }
      }
    }
  });
}

}  // namespace bonsai
