// Convolution in groups of at most 8 channels, depthwise convolutions among them: a product per
// group would starve, so that vectors run over the channels of all groups instead (lanes.h). A line
// of results is computed at a time; its pixels whose taps all lie inside the image go through
// tiles, those at the border one by one with the taps that they have. Backward-data is the same
// walk over dy with the roles of in and out exchanged: of the pixels of dx in a line, every
// stride-th one sees the same taps.
#include "engine/kernels/conv_small_groups.h"

#include <algorithm>
#include <bit>
#include <type_traits>

#include "engine/kernels/ahead.h"
#include "engine/kernels/finish.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

int log2(int size) { return std::countr_zero(static_cast<unsigned>(size)); }

// The image that is read and the one that is written, of one direction.
struct Side {
  int h, w, group, channels;  // group: channels per group
};

// w as [taps][size][channels]: at exchange e, channel r of a group is multiplied for its partner
// r ^ e. of(group, r, partner): the weights of a pair, by tap * group_in; null: there is no such.
template <class Of>
Tensor pack(const ConvShape& s, const Of& of) {
  const SmallGroups g(s);
  const Tensor packed({s.taps(), g.size, g.channels()});
  for (int group = 0; group < g.groups; ++group) {
    for (int r = 0; r < g.size; ++r) {
      for (int e = 0; e < g.size; ++e) {
        const Scalar* from = of(group, r, r ^ e);
        if (from == nullptr) continue;
        Scalar* to = packed.data() + e * g.channels() + group * g.size + r;
        for (int tap = 0; tap < s.taps(); ++tap) {
          to[int64_t{tap} * g.size * g.channels()] = from[int64_t{tap} * s.group_in()];
        }
      }
    }
  }
  return packed;
}

const Scalar* weights_of(const ConvShape& s, const Scalar* w, int group, int o, int i) {
  if (o >= s.group_out() || i >= s.group_in()) return nullptr;
  return w + (int64_t{group} * s.group_out() + o) * s.depth() + i;
}

// The taps of pixels r, r + stride, ... in line ih of dx.
void collect_taps_back(const ConvShape& s, const SmallGroups& g, const Scalar* dy, int ih, int r,
                       TapLine& line) {
  const int64_t channels = g.channels();
  const int count = (s.w - r + s.stride - 1) / s.stride;
  line.clear();
  for (int kh = 0; kh < s.kh; ++kh) {
    const int h = ih + s.padding - kh * s.dilation;
    if (h < 0 || h % s.stride != 0 || h / s.stride >= s.out_h) continue;
    for (int kw = 0; kw < s.kw; ++kw) {
      const int shifted = r + s.padding - kw * s.dilation;
      if (shifted % s.stride != 0) continue;
      const int ow = shifted / s.stride;  // of the first result
      const int first = std::max(0, -ow), last = std::min(count, s.out_w - ow);
      if (first >= last) continue;
      line.add({dy + (int64_t{h} / s.stride * s.out_w + ow) * channels,
                (int64_t{kh} * s.kw + kw) * g.size * channels, first, last});
    }
  }
}

// Runs body with both widths as constants: whole groups then travel in registers.
template <int used, int size, class Body>
void with_widths_from(int wanted_used, int wanted_size, const Body& body) {
  if (used == wanted_used && size == wanted_size) {
    body(std::integral_constant<int, used>(), std::integral_constant<int, size>());
  } else if constexpr (used + 1 < size) {
    with_widths_from<used + 1, size>(wanted_used, wanted_size, body);
  } else if constexpr (size < 1 << (lane_sizes - 1)) {
    with_widths_from<1, 2 * size>(wanted_used, wanted_size, body);
  }
}

// 1 <= used < size, a power of two.
template <class Body>
void with_widths(int used, int size, const Body& body) {
  with_widths_from<1, 2>(used, size, body);
}

// What the computation of a line goes by.
struct Line {
  TapLine taps, some;  // of the line; those that one of its pixels at the border has
  Ahead<Use::read> next_x{nullptr, 0, 1};
  Ahead<Use::write> next_y{nullptr, 0, 1};

  explicit Line(const ConvShape& s) : taps(s, 2), some(s, 3) {}
};

// y[q] (+)= the sum over the taps that reach into the image, for q < pixels.
void run_line(const SmallGroups& g, Line& line, int64_t x_step, int pixels, const Scalar* w,
              Scalar* y, int64_t y_step, bool add) {
  auto& [taps, some, next_x, next_y] = line;
  const auto kernel = g.forward();
  auto border = [&](int q) {
    some.clear();
    for (const LaneTap& tap : taps) {
      if (tap.first <= q && q < tap.last) some.add(tap);
    }
    kernel(some.begin(), some.count(), x_step, q, q + 1, g.channels(), w, y, y_step, add);
  };
  const Inner inner(taps, pixels);
  for (int q = 0; q < inner.begin; ++q) border(q);
  for (int q = inner.begin; q < inner.end; q += piece) {
    next_x.fetch();
    next_y.fetch();
    kernel(taps.begin(), taps.count(), x_step, q, std::min(q + piece, inner.end), g.channels(), w,
           y, y_step, add);
  }
  for (int q = inner.end; q < pixels; ++q) border(q);
}

// The lines of `from` that the lines [begin, end) of the result can reach.
struct Band {
  int begin, end;
};

// Lines [begin, end) of an image with gaps where it needs them: an address for its line 0.
const Scalar* spread_lines(const SmallGroups& g, const Side& side, const Scalar* image, Band band) {
  if (side.group == g.size) return image;
  const int64_t line = int64_t{side.w} * g.channels();
  const int count = std::max(0, band.end - band.begin);
  auto* copy = thread_scratch<Scalar>(0, static_cast<size_t>(count * line));
  spread_groups(g, image + int64_t{band.begin} * side.w * side.channels, int64_t{count} * side.w,
                side.group, copy);
  return copy - band.begin * line;
}

// Runs body(image of from, line, where its results go, add, scratch) for bands of lines of `to` in
// parallel. reach(begin, end): the band of `from` behind these lines. done(first pixel, pixels): a
// band ends.
template <class Reach, class Body, class Done>
void for_each_line(const ConvShape& s, const SmallGroups& g, const Side& from, const Scalar* x,
                   const Side& to, Scalar* y, bool add, const Reach& reach, const Body& body,
                   const Done& done) {
  const int lines = std::clamp((1 << 15) / std::max(1, to.w * g.channels()), 1, to.h);
  const int bands = (to.h + lines - 1) / lines;
  const bool gaps = to.group != g.size;
  parallel_chunks(int64_t{s.n} * bands, [&](int64_t chunk) {
    const int64_t image = chunk / bands;
    const int begin = static_cast<int>(chunk % bands) * lines, end = std::min(to.h, begin + lines);
    const Scalar* source =
        spread_lines(g, from, x + image * from.h * from.w * from.channels, reach(begin, end));
    Line state(s);
    for (int line = begin; line < end; ++line) {
      const Band next{reach(line, line + 1).end, reach(line + 1, line + 2).end};
      state.next_x =
          Ahead<Use::read>(x + (image * from.h + next.begin) * from.w * from.channels,
                           int64_t{next.end - next.begin} * from.w * from.channels, pieces(to.w));
      state.next_y = Ahead<Use::write>(y + (image * to.h + line + 1) * to.w * to.channels,
                                       int64_t{to.w} * to.channels, pieces(to.w));
      Scalar* result = y + (image * to.h + line) * to.w * to.channels;
      if (!gaps) {
        body(source, line, result, add, state);
        continue;
      }
      auto* aside = thread_scratch<Scalar>(1, static_cast<size_t>(to.w * g.channels()));
      body(source, line, aside, false, state);
      gather_groups(g, aside, to.w, to.group, result, add);
    }
    done((image * to.h + begin) * to.w, int64_t{end - begin} * to.w);
  });
}

}  // namespace

SmallGroups::SmallGroups(const ConvShape& s)
    : size(static_cast<int>(
          std::bit_ceil(static_cast<unsigned>(std::max(s.group_in(), s.group_out()))))),
      groups(s.groups) {}

LaneKernels::Forward SmallGroups::forward() const { return lane_kernels().forward[log2(size)]; }
LaneKernels::Weights SmallGroups::weights() const { return lane_kernels().weights[log2(size)]; }

Inner::Inner(const TapLine& line, int pixels) : begin(0), end(pixels) {
  for (const LaneTap& tap : line) {
    begin = std::max(begin, tap.first);
    end = std::min(end, tap.last);
  }
  if (begin >= end) begin = end = pixels;
}

void collect_taps(const ConvShape& s, const SmallGroups& g, const Scalar* x, int oh,
                  TapLine& line) {
  const int64_t channels = g.channels();
  line.clear();
  for (int kw = 0; kw < s.kw; ++kw) {
    const int iw = kw * s.dilation - s.padding;  // of the first result
    const int first = iw < 0 ? (-iw + s.stride - 1) / s.stride : 0;
    const int last = iw < s.w ? std::min(s.out_w, (s.w - 1 - iw) / s.stride + 1) : 0;
    if (first >= last) continue;
    for (int kh = 0; kh < s.kh; ++kh) {
      const int ih = oh * s.stride - s.padding + kh * s.dilation;
      if (ih < 0 || ih >= s.h) continue;
      line.add({x + (int64_t{ih} * s.w + iw) * channels,
                (int64_t{kh} * s.kw + kw) * g.size * channels, first, last});
    }
  }
}

void spread_groups(const SmallGroups& g, const Scalar* x, int64_t pixels, int used, Scalar* to) {
  with_widths(used, g.size, [&](auto constant_used, auto constant_size) {
    constexpr int from = decltype(constant_used)::value, size = decltype(constant_size)::value;
    const int64_t n = pixels * g.groups;
    for (int64_t i = 0; i < n; ++i, x += from, to += size) {
      Scalar group[size] = {};
      std::copy_n(x, from, group);
      std::copy_n(group, size, to);
    }
  });
}

void gather_groups(const SmallGroups& g, const Scalar* y, int64_t pixels, int used, Scalar* to,
                   bool add) {
  with_widths(used, g.size, [&](auto constant_used, auto constant_size) {
    constexpr int width = decltype(constant_used)::value, size = decltype(constant_size)::value;
    const int64_t n = pixels * g.groups;
    for (int64_t i = 0; i < n; ++i, y += size, to += width) {
      Scalar group[width] = {};
      if (add) std::copy_n(to, width, group);
      for (int c = 0; c < width; ++c) group[c] += y[c];
      std::copy_n(group, width, to);
    }
  });
}

bool conv_small_groups_fits(const ConvShape& s) {
  return s.groups > 1 && std::max(s.group_in(), s.group_out()) <= 1 << (lane_sizes - 1);
}

Tensor conv_pack_small_groups(const ConvShape& s, const Scalar* w) {
  return pack(s, [&](int group, int i, int o) { return weights_of(s, w, group, o, i); });
}

Tensor conv_pack_backward_data_small_groups(const ConvShape& s, const Scalar* w) {
  return pack(s, [&](int group, int o, int i) { return weights_of(s, w, group, o, i); });
}

void conv_forward_small_groups(const ConvForward& c) {
  const ConvShape& s = c.shape;
  const SmallGroups g(s);
  Tensor own;
  if (c.packed == nullptr) own = conv_pack_small_groups(s, c.w);
  const Scalar* w = c.packed != nullptr ? c.packed : own.data();
  const int64_t channels = g.channels();
  auto reach = [&](int begin, int end) {
    const int first = begin * s.stride - s.padding;
    const int last = (end - 1) * s.stride - s.padding + (s.kh - 1) * s.dilation;
    return Band{std::clamp(first, 0, s.h), std::clamp(last + 1, 0, s.h)};
  };
  auto body = [&](const Scalar* x, int oh, Scalar* y, bool add, Line& line) {
    collect_taps(s, g, x, oh, line.taps);
    run_line(g, line, s.stride * channels, s.out_w, w, y, channels, add);
  };
  auto done = [&](int64_t pixel, int64_t pixels) {
    finish_rows(c.y + pixel * s.out, pixels, s.out, s.out, c.b, c.activation);
  };
  for_each_line(s, g, {s.h, s.w, s.group_in(), s.in}, c.x, {s.out_h, s.out_w, s.group_out(), s.out},
                c.y, c.add, reach, body, done);
}

void conv_backward_data_small_groups(const ConvBackwardData& c) {
  const ConvShape& s = c.shape;
  const SmallGroups g(s);
  Tensor own;
  if (c.packed == nullptr) own = conv_pack_backward_data_small_groups(s, c.w);
  const Scalar* w = c.packed != nullptr ? c.packed : own.data();
  const int64_t channels = g.channels();
  auto reach = [&](int begin, int end) {
    const int first = (begin + s.padding - (s.kh - 1) * s.dilation) / s.stride;
    const int last = (end - 1 + s.padding) / s.stride;
    return Band{std::clamp(first, 0, s.out_h), std::clamp(last + 1, 0, s.out_h)};
  };
  auto body = [&](const Scalar* dy, int ih, Scalar* dx, bool add, Line& line) {
    for (int r = 0; r < std::min(s.stride, s.w); ++r) {
      collect_taps_back(s, g, dy, ih, r, line.taps);
      run_line(g, line, channels, (s.w - r + s.stride - 1) / s.stride, w, dx + r * channels,
               s.stride * channels, add);
    }
  };
  for_each_line(s, g, {s.out_h, s.out_w, s.group_out(), s.out}, c.dy,
                {s.h, s.w, s.group_in(), s.in}, c.dx, c.add, reach, body, [](int64_t, int64_t) {});
}

}  // namespace bonsai
