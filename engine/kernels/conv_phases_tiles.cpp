// Backward-data of a 3x3 convolution with a stride of two and a padding of one: all four phases
// (conv_phases.cpp) in one register tile. Four pixels of dy that are neighbours in both directions
// reach two lines and two columns of dx, by 1, 2, 2 and 4 taps, so that a pixel of dy is read once
// for all nine and dx is written in runs of whole pixels. Lines of dy are copied with the zeros
// that stand behind the image, and each pair of lines asks for what the next one reads and writes.
#include <algorithm>

#include "engine/ceil_div.h"
#include "engine/kernels/ahead.h"
#include "engine/kernels/columns.h"
#include "engine/kernels/conv.h"
#include "engine/kernels/processor.h"
#include "engine/kernels/tile.h"
#include "engine/kernels/vector.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

constexpr int taps = 9;
constexpr int tile_columns = 4;  // pixels of dy in a tile, which has twice as many of dx in a line
constexpr int most_lanes = 16;
constexpr int block_outputs = 48;  // whose weights for one vector fit into the first cache

struct PhasesTile {
  int lanes;

  // dx[r * line + c * step + lane] (+)= sum over o < outputs of the taps that reach line r < 2 and
  // column c < 2 * tile_columns, for all lanes of a vector. upper, lower: the first pixel of two
  // lines of dy, one pixel more than tile_columns, `pitch` apart. w: [outputs][taps][lanes].
  void (*run)(const Scalar* upper, const Scalar* lower, int64_t pitch, int outputs, const Scalar* w,
              Scalar* dx, int64_t line, int64_t step, bool add);
};

template <int bytes>
[[gnu::always_inline]] inline void run_tile(const Scalar* upper, const Scalar* lower, int64_t pitch,
                                            int outputs, const Scalar* w, Scalar* dx, int64_t line,
                                            int64_t step, bool add) {
  using Vector = typename VectorOf<bytes>::Type;
  constexpr int lanes = bytes / static_cast<int>(sizeof(Scalar));
  Vector sum[2][2 * tile_columns] = {};
  if (add) {
#pragma GCC unroll 8
    for (int c = 0; c < 2 * tile_columns; ++c) {
      load(sum[0][c], dx + c * step);
      load(sum[1][c], dx + line + c * step);
    }
  }
  for (int o = 0; o < outputs; ++o, ++upper, ++lower, w += taps * lanes) {
    Vector weight[3][3];
#pragma GCC unroll 16
    for (int tap = 0; tap < taps; ++tap) load(weight[tap / 3][tap % 3], w + tap * lanes);
#pragma GCC unroll 8
    for (int p = 0; p <= tile_columns; ++p) {
      const Vector high = upper[p * pitch] - Vector{}, low = lower[p * pitch] - Vector{};
      if (p > 0) {
        sum[0][2 * p - 1] += high * weight[1][0];
        sum[1][2 * p - 1] += high * weight[2][0];
        sum[1][2 * p - 1] += low * weight[0][0];
      }
      if (p < tile_columns) {
        sum[0][2 * p] += high * weight[1][1];
        sum[0][2 * p + 1] += high * weight[1][2];
        sum[1][2 * p] += high * weight[2][1];
        sum[1][2 * p + 1] += high * weight[2][2];
        sum[1][2 * p] += low * weight[0][1];
        sum[1][2 * p + 1] += low * weight[0][2];
      }
    }
  }
#pragma GCC unroll 8
  for (int c = 0; c < 2 * tile_columns; ++c) {
    store(dx + c * step, sum[0][c]);
    store(dx + line + c * step, sum[1][c]);
  }
}

// A macro, because an attribute cannot be a template's parameter.
#define BONSAI_PHASES_TILE(set, attribute, bytes)                                                \
  attribute void run_##set(const Scalar* upper, const Scalar* lower, int64_t pitch, int outputs, \
                           const Scalar* w, Scalar* dx, int64_t line, int64_t step, bool add) {  \
    run_tile<bytes>(upper, lower, pitch, outputs, w, dx, line, step, add);                       \
  }                                                                                              \
  constexpr PhasesTile tile_##set = {bytes / static_cast<int>(sizeof(Scalar)), run_##set};
#if defined(__x86_64__)
BONSAI_PHASES_TILE(avx512, __attribute__((target("avx512f,avx2,fma"))), 64)
#elif defined(__aarch64__)
BONSAI_PHASES_TILE(neon, , 16)
#endif
#undef BONSAI_PHASES_TILE

// With sixteen registers the phases one by one are quicker.
const PhasesTile* phases_tile() {
#if defined(__x86_64__)
  return widest_vectors() == Vectors::avx512 ? &tile_avx512 : nullptr;
#elif defined(__aarch64__)
  return &tile_neon;
#else
  return nullptr;
#endif
}

// Pairs of lines of dx, and of its columns.
int pairs(int size) { return (size + 1) / 2; }

// Else the phases one by one, whose tiles span lines and images, are quicker.
bool mostly_filled(int n, int tile) { return 4 * n >= 3 * rounded_up(n, tile); }

class Lines {
 public:
  Lines(const ConvBackwardData& call, const PhasesTile& tile, const Scalar* packed)
      : c_(call),
        s_(call.shape),
        t_(tile),
        packed_(packed),
        padded_(rounded_up(s_.group_in(), tile.lanes)),
        columns_(rounded_up(pairs(s_.w), tile_columns)),
        line_size_(int64_t{columns_ + 1} * s_.out) {}

  // Those of the batch, numbered through its images.
  void make(int64_t begin, int64_t end) const {
    auto* lines = thread_scratch<Scalar>(2, static_cast<size_t>(2 * line_size_));
    Scalar *upper = lines, *lower = lines + line_size_;
    const int in_image = pairs(s_.h);
    for (int64_t pair = begin; pair < end; ++pair) {
      const int64_t image = pair / in_image;
      const auto i = static_cast<int>(pair % in_image);
      pair == begin || i == 0 ? copy_line(image, i, upper) : std::swap(upper, lower);
      copy_line(image, i + 1, lower);
      make_pair(upper, lower, image, i);
    }
  }

 private:
  void copy_line(int64_t image, int i, Scalar* to) const {
    const int64_t size = i < s_.out_h ? int64_t{s_.out_w} * s_.out : 0;
    std::copy_n(c_.dy + (image * s_.out_h + i) * s_.out_w * s_.out, size, to);
    std::fill(to + size, to + line_size_, Scalar{0});
  }

  void make_pair(const Scalar* upper, const Scalar* lower, int64_t image, int i) const {
    const int64_t line = int64_t{s_.w} * s_.in;
    Scalar* dx = c_.dx + (image * s_.h + 2 * i) * line;
    const int go = s_.group_out(), tiles = columns_ / tile_columns;
    const int shares = s_.groups * ceil_div(go, block_outputs) * tiles;
    Ahead<Use::read> dy_ahead(c_.dy + (image * s_.out_h + i + 2) * s_.out_w * s_.out,
                              int64_t{s_.out_w} * s_.out, shares);
    Ahead<Use::write> dx_ahead(dx + 2 * line, 2 * line, shares);
    for (int g = 0; g < s_.groups; ++g) {
      for (int o = 0; o < go; o += block_outputs) {
        const int outputs = std::min(block_outputs, go - o);
        for (int column = 0; column < columns_; column += tile_columns) {
          dy_ahead.fetch();
          dx_ahead.fetch();
        }
        for (int v = 0; v < padded_; v += t_.lanes) {
          const Scalar* w =
              packed_ + ((int64_t{g} * padded_ + v) * go + int64_t{o} * t_.lanes) * taps;
          for (int column = 0; column < columns_; column += tile_columns) {
            const int64_t from = int64_t{column} * s_.out + int64_t{g} * go + o;
            make_tile(upper + from, lower + from, outputs, w,
                      dx + int64_t{2} * column * s_.in + int64_t{g} * s_.group_in() + v,
                      std::min(2, s_.h - 2 * i), std::min(2 * tile_columns, s_.w - 2 * column),
                      std::min(t_.lanes, s_.group_in() - v), c_.add || o > 0);
          }
        }
      }
    }
  }

  // What sticks out of dx is computed aside.
  void make_tile(const Scalar* upper, const Scalar* lower, int outputs, const Scalar* w, Scalar* dx,
                 int lines, int columns, int lanes, bool add) const {
    const int64_t line = int64_t{s_.w} * s_.in;
    if (lines == 2 && columns == 2 * tile_columns && lanes == t_.lanes) {
      return t_.run(upper, lower, s_.out, outputs, w, dx, line, s_.in, add);
    }
    Scalar aside[2 * 2 * tile_columns * most_lanes];
    const int64_t aside_line = int64_t{2} * tile_columns * t_.lanes;
    t_.run(upper, lower, s_.out, outputs, w, aside, aside_line, t_.lanes, false);
    for (int r = 0; r < lines; ++r) {
      copy_columns(aside + r * aside_line, t_.lanes, dx + r * line, s_.in, columns, lanes, add);
    }
  }

  const ConvBackwardData& c_;
  const ConvShape& s_;
  const PhasesTile& t_;
  const Scalar* packed_;
  int padded_, columns_;  // inputs of a group, pixels of a line of dy
  int64_t line_size_;
};

}  // namespace

bool conv_phases_tiles_fits(const ConvShape& s) {
  const PhasesTile* t = phases_tile();
  return t != nullptr && s.kh == 3 && s.kw == 3 && s.stride == 2 && s.padding == 1 &&
         s.dilation == 1 && mostly_filled(s.group_in(), t->lanes) &&
         mostly_filled(pairs(s.w), tile_columns);
}

// w [out, 3, 3, in / groups] -> [group][vector of inputs][out / groups][tap][lane], zeros behind
// the last input.
Tensor conv_pack_phases_tiles(const ConvShape& s, const Scalar* w) {
  const int lanes = phases_tile()->lanes, gi = s.group_in(), go = s.group_out();
  const int vectors = ceil_div(gi, lanes);
  const Tensor packed = Tensor::uninitialized({s.groups * vectors, go, taps, lanes});
  parallel_chunks(int64_t{s.groups} * vectors, [&](int64_t vector) {
    const auto first = static_cast<int>(vector % vectors) * lanes;
    const int count = std::min(lanes, gi - first);
    const Scalar* from = w + vector / vectors * go * taps * gi + first;
    Scalar* to = packed.data() + vector * go * taps * lanes;
    for (int row = 0; row < go * taps; ++row, from += gi, to += lanes) {
      std::copy_n(from, count, to);
      std::fill(to + count, to + lanes, Scalar{0});
    }
  });
  return packed;
}

void conv_backward_data_phases_tiles(const ConvBackwardData& c) {
  Tensor own;
  if (c.packed == nullptr) own = conv_pack_phases_tiles(c.shape, c.w);
  const Lines lines(c, *phases_tile(), c.packed != nullptr ? c.packed : own.data());
  const int64_t all = int64_t{c.shape.n} * pairs(c.shape.h);
  parallel_ranges(all, std::min<int64_t>(all / 16, 16),
                  [&](int64_t begin, int64_t end) { lines.make(begin, end); });
}

}  // namespace bonsai
