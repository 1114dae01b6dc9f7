#include "engine/kernels/pool.h"

#include <algorithm>

#include "engine/ceil_div.h"
#include "engine/kernels/per_channel.h"
#include "engine/parallel.h"
#include "engine/simd.h"

namespace bonsai {
namespace {

struct Range {
  int begin, end;
};

// The input positions of window `o` along an axis of `size`.
Range window(int o, int size, const PoolShape& s) {
  const int start = o * s.stride - s.padding;
  return {std::max(start, 0), std::min(start + s.kernel, size)};
}

// The windows along an axis, of `count`, that hold input position i.
Range windows_of(int i, int count, const PoolShape& s) {
  const int first = i + s.padding - s.kernel + 1;  // where the earliest such window may start
  return {first <= 0 ? 0 : ceil_div(first, s.stride),
          std::min((i + s.padding) / s.stride + 1, count)};
}

// Pixels of a window, and their places in it. Fewer than four: the last one again.
struct Four {
  const Scalar* pixel[4];
  Scalar place[4];
  int count = 0;

  void add(const Scalar* x, int at) {
    for (int i = count; i < 4; ++i) {
      pixel[i] = x;
      place[i] = static_cast<Scalar>(at);
    }
    ++count;
  }
};

[[gnu::always_inline]] inline void take_larger(Scalar x, Scalar here, Scalar& y, Scalar& at) {
  const bool larger = (x > y) | (x != x);
  y = larger ? x : y;
  at = larger ? here : at;
}

// y [n] and position [n] = the largest of four and its place, or of them and what is there.
BONSAI_SIMD void largest_of(const Four& f, int n, bool fresh, Scalar* __restrict y,
                            Scalar* __restrict position) {
  const Scalar *x0 = f.pixel[0], *x1 = f.pixel[1], *x2 = f.pixel[2], *x3 = f.pixel[3];
  const Scalar p0 = f.place[0], p1 = f.place[1], p2 = f.place[2], p3 = f.place[3];
  for (int c = 0; c < n; ++c) {
    Scalar most = fresh ? x0[c] : y[c], at = fresh ? p0 : position[c];
    take_larger(x0[c], p0, most, at);
    take_larger(x1[c], p1, most, at);
    take_larger(x2[c], p2, most, at);
    take_larger(x3[c], p3, most, at);
    y[c] = most;
    position[c] = at;
  }
}

BONSAI_SIMD void collect_at(const Scalar* dy, const Scalar* position, int n, Scalar here, bool add,
                            Scalar* __restrict dx) {
  for (int c = 0; c < n; ++c) {
    dx[c] = (add ? dx[c] : Scalar{0}) + (position[c] == here ? dy[c] : Scalar{0});
  }
}

BONSAI_SIMD void multiply(Scalar* y, int n, Scalar scale) {
  for (int c = 0; c < n; ++c) y[c] *= scale;
}

int place_in_window(const PoolShape& s, int iy, int ix, int oy, int ox) {
  return (iy - oy * s.stride + s.padding) * s.kernel + ix - ox * s.stride + s.padding;
}

// Rows of `width` pixels per piece of work: about 16 thousand elements.
int64_t piece_rows(int width, int channels) {
  return 1 + (1 << 14) / std::max<int64_t>(1, int64_t{width} * channels);
}

// visit(x of one input pixel, its place in the window) over the window of output (oy, ox).
template <class Visit>
void each_in_window(const PoolShape& s, const Scalar* image, int oy, int ox, const Visit& visit) {
  const Range ys = window(oy, s.h, s), xs = window(ox, s.w, s);
  for (int iy = ys.begin; iy < ys.end; ++iy) {
    for (int ix = xs.begin; ix < xs.end; ++ix) {
      const int place = place_in_window(s, iy, ix, oy, ox);
      visit(image + (int64_t{iy} * s.w + ix) * s.channels, place);
    }
  }
}

// body(image's x, oy, ox, offset of the output pixel) over all output pixels, in parallel.
template <class Body>
void each_output(const PoolShape& s, const Scalar* x, const Body& body) {
  parallel_ranges(
      int64_t{s.n} * s.out_h, piece_rows(s.out_w, s.channels), [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
          const Scalar* image = x + row / s.out_h * s.h * s.w * s.channels;
          for (int ox = 0; ox < s.out_w; ++ox) {
            body(image, static_cast<int>(row % s.out_h), ox, (row * s.out_w + ox) * s.channels);
          }
        }
      });
}

// visit(dx of an input pixel, offset of an output pixel, the input's place in that window, whether
// to add) over all pairs, in parallel over inputs.
template <class Visit>
void each_pair_back(const PoolShape& s, Scalar* dx, bool add, const Visit& visit) {
  parallel_ranges(int64_t{s.n} * s.h, piece_rows(s.w, s.channels), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int iy = static_cast<int>(row % s.h);
      const Range oys = windows_of(iy, s.out_h, s);
      for (int ix = 0; ix < s.w; ++ix) {
        Scalar* target = dx + (row * s.w + ix) * s.channels;
        const Range oxs = windows_of(ix, s.out_w, s);
        bool adds = add;
        for (int oy = oys.begin; oy < oys.end; ++oy) {
          for (int ox = oxs.begin; ox < oxs.end; ++ox) {
            visit(target, ((row / s.h * s.out_h + oy) * s.out_w + ox) * s.channels,
                  place_in_window(s, iy, ix, oy, ox), adds);
            adds = true;
          }
        }
        if (!adds) std::fill_n(target, s.channels, Scalar{0});
      }
    }
  });
}

}  // namespace

void max_pool_forward(const PoolShape& s, const Scalar* x, Scalar* y, Scalar* position) {
  each_output(s, x, [&](const Scalar* image, int oy, int ox, int64_t out) {
    Scalar* places = position != nullptr
                         ? position + out
                         : thread_scratch<Scalar>(2, static_cast<size_t>(s.channels));
    bool fresh = true;
    Four four;
    const auto take = [&] {
      if (four.count > 0) largest_of(four, s.channels, fresh, y + out, places);
      fresh = false;
      four = {};
    };
    each_in_window(s, image, oy, ox, [&](const Scalar* pixel, int place) {
      four.add(pixel, place);
      if (four.count == 4) take();
    });
    take();
  });
}

void max_pool_backward(const PoolShape& s, const Scalar* dy, const Scalar* position, Scalar* dx,
                       bool add) {
  each_pair_back(s, dx, add, [&](Scalar* target, int64_t out, int place, bool adds) {
    collect_at(dy + out, position + out, s.channels, static_cast<Scalar>(place), adds, target);
  });
}

void average_pool_forward(const PoolShape& s, const Scalar* x, Scalar* y) {
  const Scalar scale = Scalar{1} / static_cast<Scalar>(s.kernel * s.kernel);
  each_output(s, x, [&](const Scalar* image, int oy, int ox, int64_t out) {
    std::fill_n(y + out, s.channels, Scalar{0});
    each_in_window(s, image, oy, ox, [&](const Scalar* pixel, int) {
      sum_channels(pixel, s.channels, s.channels, y + out);
    });
    multiply(y + out, s.channels, scale);
  });
}

void average_pool_backward(const PoolShape& s, const Scalar* dy, Scalar* dx, bool add) {
  const Scalar scale = Scalar{1} / static_cast<Scalar>(s.kernel * s.kernel);
  each_pair_back(s, dx, add, [&](Scalar* target, int64_t out, int, bool adds) {
    scale_all(dy + out, s.channels, scale, target, adds);
  });
}

}  // namespace bonsai
