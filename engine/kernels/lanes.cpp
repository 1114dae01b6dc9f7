#include "engine/kernels/lanes.h"

#include <algorithm>
#include <utility>

#include "engine/kernels/processor.h"
#include "engine/kernels/vector.h"

namespace bonsai {
namespace {

alignas(64) constexpr Scalar zeros[lane_slice] = {};

constexpr int tile = 2;  // results along an axis

// to[c] = from[c ^ e]
template <int e, class Vector, int... lane>
[[gnu::always_inline]] inline void exchange(const Vector& from, Vector& to,
                                            std::integer_sequence<int, lane...>) {
  to = __builtin_shufflevector(from, from, (lane ^ e)...);
}

// A window of taps, `step` apart from result to result, in vectors of `lanes` and for the
// exchanges from `first` on, of which there are `exchanges`: one or two at a time, so that all
// weights, or all their sums, stay in registers.
template <int lanes_, int lines_, int columns_, int step_, int first_, int exchanges_>
struct Pass {
  static constexpr int lanes = lanes_, lines = lines_, columns = columns_, step = step_;
  static constexpr int first = first_, exchanges = exchanges_;
  static constexpr int read_lines = (tile - 1) * step + lines;
  static constexpr int read_columns = (tile - 1) * step + columns;
  using Vector = typename VectorOf<lanes* static_cast<int>(sizeof(Scalar))>::Type;

  template <int e>
  [[gnu::always_inline]] static void exchanged(const Vector& from, Vector& to) {
    exchange<e>(from, to, std::make_integer_sequence<int, lanes>());
  }

  // A tile in its line: its first result, the pixel that this one's first tap reads and where that
  // lies, and whether all that it reads is inside the image.
  struct Place {
    int column, pixel;
    int64_t at;
    bool inside;
  };

  template <class Body>
  [[gnu::always_inline]] static void for_each_tile(const LaneLayout& layout, const Body& body) {
    const int reach = (read_columns - 1) * layout.tap, advance = tile * step * layout.tap;
    int pixel = layout.first;
    for (int column = 0; column < layout.results; column += tile, pixel += advance) {
      body(
          Place{column, pixel, pixel * layout.x_pixel, pixel >= 0 && pixel + reach < layout.width});
    }
  }

  // What a tile reads of a line; outside of it there are zeros.
  [[gnu::always_inline]] static void load_line(const Scalar* x, const LaneLayout& layout,
                                               const Place& place, Vector* values) {
    const int64_t tap = layout.tap * layout.x_pixel;
#pragma GCC unroll 8
    for (int k = 0; k < read_columns; ++k) {
      const Scalar* from = x + place.at + k * tap;
      if (!place.inside) {
        const int pixel = place.pixel + k * layout.tap;
        from = pixel >= 0 && pixel < layout.width ? from : zeros;
      }
      load(values[k], from);
    }
  }

  [[gnu::always_inline]] static void forward(std::span<const LaneRow> rows, const LaneLayout& all,
                                             int channel, const Scalar* w, Scalar* y, bool add) {
    const LaneLayout layout = all;  // which no store can change
    Vector weight[lines][columns][exchanges];
    for (int i = 0; i < lines; ++i) {
      for (int j = 0; j < columns; ++j) {
        for (int e = 0; e < exchanges; ++e) {
          load(weight[i][j][e],
               w + i * layout.w_line + j * layout.w_column + (first + e) * lane_slice);
        }
      }
    }
    for (const LaneRow row : rows) {
      for_each_tile(
          layout, [&](const Place& place) __attribute__((always_inline)) {
            Vector sum[tile][tile][exchanges] = {};
#pragma GCC unroll 8
            for (int line = 0; line < read_lines; ++line) {
              if (row.x[line] == nullptr) continue;
              Vector value[read_columns];
              load_line(row.x[line] + channel, layout, place, value);
#pragma GCC unroll 8
              for (int r = 0; r < tile; ++r) {
                const int i = line - r * step;
                if (i < 0 || i >= lines) continue;
#pragma GCC unroll 8
                for (int j = 0; j < columns; ++j) {
#pragma GCC unroll 8
                  for (int q = 0; q < tile; ++q) {
#pragma GCC unroll 8
                    for (int e = 0; e < exchanges; ++e) {
                      sum[r][q][e] += value[q * step + j] * weight[i][j][e];
                    }
                  }
                }
              }
            }
#pragma GCC unroll 8
            for (int r = 0; r < tile; ++r) {
#pragma GCC unroll 8
              for (int q = 0; q < tile; ++q) {
                if (r >= row.lines || place.column + q >= layout.results) continue;
                Scalar* to =
                    y + row.y + r * layout.y_line + (place.column + q) * layout.y_column + channel;
                Vector total;
                exchanged<first>(sum[r][q][0], total);
                if constexpr (exchanges > 1) {
                  Vector other;
                  exchanged<first + 1>(sum[r][q][1], other);
                  total += other;
                }
                if (add || first > 0) {
                  Vector old;
                  load(old, to);
                  total += old;
                }
                store(to, total);
              }
            }
          });
    }
  }

  [[gnu::always_inline]] static void weights(std::span<const LaneRow> rows, const LaneLayout& all,
                                             int channel, const Scalar* dy, Scalar* dw) {
    const LaneLayout layout = all;
    Vector sum[lines][columns][exchanges] = {};
    for (const LaneRow row : rows) {
      for_each_tile(
          layout, [&](const Place& place) __attribute__((always_inline)) {
            Vector error[tile][tile][exchanges] = {};
#pragma GCC unroll 8
            for (int r = 0; r < tile; ++r) {
#pragma GCC unroll 8
              for (int q = 0; q < tile; ++q) {
                if (r >= row.lines || place.column + q >= layout.results) continue;
                Vector own;
                load(own, dy + row.y + r * layout.y_line + (place.column + q) * layout.y_column +
                              channel);
                exchanged<first>(own, error[r][q][0]);
                if constexpr (exchanges > 1) exchanged<first + 1>(own, error[r][q][1]);
              }
            }
#pragma GCC unroll 8
            for (int line = 0; line < read_lines; ++line) {
              if (row.x[line] == nullptr) continue;
              Vector value[read_columns];
              load_line(row.x[line] + channel, layout, place, value);
#pragma GCC unroll 8
              for (int r = 0; r < tile; ++r) {
                const int i = line - r * step;
                if (i < 0 || i >= lines) continue;
#pragma GCC unroll 8
                for (int q = 0; q < tile; ++q) {
#pragma GCC unroll 8
                  for (int j = 0; j < columns; ++j) {
#pragma GCC unroll 8
                    for (int e = 0; e < exchanges; ++e) {
                      sum[i][j][e] += value[q * step + j] * error[r][q][e];
                    }
                  }
                }
              }
            }
          });
    }
    for (int i = 0; i < lines; ++i) {
      for (int j = 0; j < columns; ++j) {
        for (int e = 0; e < exchanges; ++e) {
          Scalar* to = dw + i * layout.w_line + j * layout.w_column + (first + e) * lane_slice;
          Vector old;
          load(old, to);
          sum[i][j][e] += old;
          store(to, sum[i][j][e]);
        }
      }
    }
  }
};

// Both functions of a window for groups of one size: all vectors of a slice, all exchanges.
template <int lanes, int size, int lines, int columns, int step, int first = 0>
struct Slice {
  static constexpr int exchanges = std::min(size, 2);
  using One = Pass<lanes, lines, columns, step, first, exchanges>;
  using Next = Slice<lanes, size, lines, columns, step, first + exchanges>;

  [[gnu::always_inline]] static void forward(std::span<const LaneRow> rows,
                                             const LaneLayout& layout, int channel, const Scalar* w,
                                             Scalar* y, bool add) {
    for (int c = 0; c < lane_slice; c += lanes) {
      One::forward(rows, layout, channel + c, w + c, y, add);
    }
    if constexpr (first + exchanges < size) Next::forward(rows, layout, channel, w, y, add);
  }

  [[gnu::always_inline]] static void weights(std::span<const LaneRow> rows,
                                             const LaneLayout& layout, int channel,
                                             const Scalar* dy, Scalar* dw) {
    for (int c = 0; c < lane_slice; c += lanes) {
      One::weights(rows, layout, channel + c, dy, dw + c);
    }
    if constexpr (first + exchanges < size) Next::weights(rows, layout, channel, dy, dw);
  }
};

// A vector holds at least one group, in registers or not.
constexpr int lanes_of(int bytes, int size) {
  return std::max(bytes / static_cast<int>(sizeof(Scalar)), size);
}

// All functions for the instruction set that the attribute names; a macro, because an attribute
// cannot be a template's parameter.
#define BONSAI_LANE_KERNELS(set, attribute, bytes)                                                 \
  template <int size, int lines, int columns, int step>                                            \
  attribute void forward_##set(std::span<const LaneRow> rows, const LaneLayout& layout,            \
                               int channel, const Scalar* w, Scalar* y, bool add) {                \
    Slice<lanes_of(bytes, size), size, lines, columns, step>::forward(rows, layout, channel, w, y, \
                                                                      add);                        \
  }                                                                                                \
  template <int size, int lines, int columns, int step>                                            \
  attribute void weights_##set(std::span<const LaneRow> rows, const LaneLayout& layout,            \
                               int channel, const Scalar* dy, Scalar* dw) {                        \
    Slice<lanes_of(bytes, size), size, lines, columns, step>::weights(rows, layout, channel, dy,   \
                                                                      dw);                         \
  }                                                                                                \
  template <int lines, int columns, int step>                                                      \
  constexpr LaneKernels::OfWindow window_##set = {                                                 \
      {forward_##set<1, lines, columns, step>, forward_##set<2, lines, columns, step>,             \
       forward_##set<4, lines, columns, step>, forward_##set<8, lines, columns, step>},            \
      {weights_##set<1, lines, columns, step>, weights_##set<2, lines, columns, step>,             \
       weights_##set<4, lines, columns, step>, weights_##set<8, lines, columns, step>}};           \
  constexpr LaneKernels kernels_##set = {{{window_##set<1, 1, 1>, window_##set<1, 2, 1>},          \
                                          {window_##set<2, 1, 1>, window_##set<2, 2, 1>}},         \
                                         window_##set<3, 3, 1>,                                    \
                                         window_##set<3, 3, 2>};

#if defined(__x86_64__)
BONSAI_LANE_KERNELS(avx512, __attribute__((target("avx512f,avx2,fma"))), 64)
BONSAI_LANE_KERNELS(avx2, __attribute__((target("avx2,fma"))), 32)
#endif
// What every processor of the kind has: SSE2, NEON.
BONSAI_LANE_KERNELS(any, , 16)
#undef BONSAI_LANE_KERNELS

}  // namespace

const LaneKernels& lane_kernels() {
#if defined(__x86_64__)
  if (widest_vectors() == Vectors::avx512) return kernels_avx512;
  if (widest_vectors() == Vectors::avx2) return kernels_avx2;
#endif
  return kernels_any;
}

}  // namespace bonsai
