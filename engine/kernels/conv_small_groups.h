// What the directions of the "small groups" row share. Inside, every group has `size` channels, a
// power of two that holds what it reads and what it writes. Images whose groups are of that size
// are used as they are; others are copied, line by line, into lines with gaps of zeros.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "engine/kernels/conv.h"
#include "engine/kernels/lanes.h"

namespace bonsai {

struct SmallGroups {
  int size, groups;

  explicit SmallGroups(const ConvShape& s);

  int channels() const { return size * groups; }
  LaneKernels::Forward forward() const;
  LaneKernels::Weights weights() const;
};

// Pixels with `used` channels per group, and the same with `size`.
void spread_groups(const SmallGroups& g, const Scalar* x, int64_t pixels, int used, Scalar* to);
void gather_groups(const SmallGroups& g, const Scalar* y, int64_t pixels, int used, Scalar* to,
                   bool add);

// The taps of one line of results. Result q reads x[t][q * step] at tap t, which lies inside the
// image for first[t] <= q < last[t]. W: const Scalar for weights, Scalar for their gradient.
template <class W>
struct TapLine {
  std::vector<const Scalar*> x;
  std::vector<W*> w;
  std::vector<int> first, last;

  void clear() { x.clear(), w.clear(), first.clear(), last.clear(); }
  void add(const Scalar* from, W* weights, int begin, int end) {
    if (begin >= end) return;
    x.push_back(from), w.push_back(weights), first.push_back(begin), last.push_back(end);
  }
  int taps() const { return static_cast<int>(x.size()); }
};

// The taps of line oh of y; w [taps][size][channels], x an image of such channels.
template <class W>
void collect_taps(const ConvShape& s, const SmallGroups& g, const Scalar* x, W* w, int oh,
                  TapLine<W>& line) {
  const int64_t channels = g.channels();
  line.clear();
  for (int kh = 0; kh < s.kh; ++kh) {
    const int ih = oh * s.stride - s.padding + kh * s.dilation;
    if (ih < 0 || ih >= s.h) continue;
    for (int kw = 0; kw < s.kw; ++kw) {
      const int iw = kw * s.dilation - s.padding;  // of the first result
      const int first = iw < 0 ? (-iw + s.stride - 1) / s.stride : 0;
      const int last = iw < s.w ? std::min(s.out_w, (s.w - 1 - iw) / s.stride + 1) : 0;
      line.add(x + (int64_t{ih} * s.w + iw) * channels,
               w + (int64_t{kh} * s.kw + kw) * g.size * channels, first, last);
    }
  }
}

}  // namespace bonsai
