// How convolutions in small groups go over a batch: some lines of results at a time, whose reads
// stay in the first cache while slices of the channels take turns, and the next ones are asked for.
// Inside, every group has `size` channels, a power of two that holds what it reads and what it
// writes. Images whose groups are of that size are used as they are; others are copied, a few lines
// at a time, into lines with gaps.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "engine/ceil_div.h"
#include "engine/kernels/ahead.h"
#include "engine/kernels/conv.h"
#include "engine/kernels/group_gaps.h"
#include "engine/kernels/lanes.h"

namespace bonsai {

struct SmallGroups {
  int size, groups;

  explicit SmallGroups(const ConvShape& s);

  int channels() const { return size * groups; }
  GroupGaps gaps(int group) const { return {groups, group, size}; }
  int slices() const { return ceil_div(channels(), lane_slice); }
  // Weights are [slices][taps][size][lane_slice].
  int64_t slice_weights(const ConvShape& s) const { return int64_t{s.taps()} * size * lane_slice; }
  size_t kernel() const;  // which of those of lanes.h
};

// Images of one side of a convolution, with `group` channels per group.
struct GroupImages {
  int h, w, group;
};

// Results first, first + step, ... along an axis, which have the same taps, and these: tap number
// `number` reads for the i-th result what lies at i * (step of the reads) + at, inside the image or
// not; the next one is `number_step` further and reads `at_step` further.
struct TapAxis {
  int first, step, count;
  int taps, number, number_step, at, at_step;
};

// What a direction reads and what it gives a result for. Backward-data is the same walk over dy
// with the roles of in and out exchanged: of the pixels of dx, every stride-th has the same taps.
struct GroupDirection {
  GroupImages from, to;
  int read_step, result_step;
  bool back;
};
GroupDirection forward_direction(const ConvShape& s);
GroupDirection backward_direction(const ConvShape& s);

class GroupWalk {
 public:
  GroupWalk(const ConvShape& s, const GroupDirection& direction);

  // Where slices of the channels begin. The last two share some where they do not come out even, as
  // long as computing a result twice does no harm: when it is the sum over one window.
  int slice_begin(int i) const;
  // Whether images of so many channels per group are made of such slices.
  bool slices_fit(int group) const;

  // Some images, or some lines of one; a line here is one result of each of the rows' axes. Behind
  // the last there is an empty one.
  struct Chunk {
    int image, images, line, lines;
  };
  int chunks() const { return runs_ * bands_; }
  Chunk chunk(int64_t i) const;
  // Pixels of the batch that lie one after the other: a chunk's results, and what they read.
  struct Pixels {
    int64_t first, count;

    int64_t end() const { return first + count; }
  };
  Pixels results(const Chunk& chunk) const;
  Pixels reads(const Chunk& chunk) const;

  // Whole slices of pixels: where number `first` of the batch lies, and how far the next one is.
  struct Slices {
    const Scalar* at;
    int64_t first, step;

    const Scalar* pixel(int64_t number) const { return at + (number - first) * step; }
  };
  // Of x, with `group` channels per group: as they are, or copies in scratch of the calling thread.
  Slices slices(const Scalar* x, int group, const Pixels& pixels, int slot) const;
  // What of x is not among `now`, to be asked for meanwhile: a share for every call of a kernel.
  template <Use use>
  Ahead<use> ahead(const Scalar* x, int group, const Pixels& now, const Pixels& next) const {
    const int64_t begin = std::max(now.end(), next.first), channels = groups_.groups * group;
    return Ahead<use>(x + begin * channels, std::max<int64_t>(0, next.end() - begin) * channels,
                      std::max(1, windows_ * groups_.slices()));
  }

  bool all_have_taps() const { return all_have_taps_; }

  // body(window, rows, layout, w, first) for the windows of all results of a chunk: where the
  // weights of its first tap are, and whether it is the first for its results. Their pixels lie
  // y_step apart, and rows count from the chunk's first one.
  template <class Body>
  void for_each_window(const Chunk& chunk, const Slices& x, int64_t y_step,
                       const Body& body) const {
    for_each_phase([&](const Phase& phase) {
      for (int i = 0; i < phase.rows.taps; i += phase.most) {
        for (int j = 0; j < phase.columns.taps; j += phase.most) {
          const Window window = this->window(phase, i, j);
          body(window.shape, rows(chunk, phase, window, x, y_step),
               layout(phase, window, x.step, y_step), window.w, i + j == 0);
        }
      }
    });
  }

 private:
  struct Window {
    LaneWindow shape;
    int line, column;  // that the first tap of the first result reads
    int64_t w;
  };
  // Results with the same taps.
  struct Phase {
    TapAxis rows, columns;
    int most, tap;  // taps of a window along an axis; lines and pixels from one to the next
    bool half;
  };
  template <class Body>
  void for_each_phase(const Body& body) const {
    for (int i = 0; i < std::min(d_.result_step, d_.to.h); ++i) {
      for (int j = 0; j < std::min(d_.result_step, d_.to.w); ++j) {
        body(phase(axis(i, s_.kh, d_.to.h), axis(j, s_.kw, d_.to.w)));
      }
    }
  }
  TapAxis axis(int first, int taps, int results) const;
  Phase phase(const TapAxis& rows, const TapAxis& columns) const;
  Window window(const Phase& phase, int row, int column) const;
  std::span<const LaneRow> rows(const Chunk& chunk, const Phase& phase, const Window& window,
                                const Slices& x, int64_t y_step) const;
  LaneLayout layout(const Phase& phase, const Window& window, int64_t x_step, int64_t y_step) const;

  int all_lines() const { return ceil_div(d_.to.h, d_.result_step); }

  ConvShape s_;
  SmallGroups groups_;
  GroupDirection d_;
  int windows_ = 0;  // of all phases
  bool all_have_taps_ = true, slices_overlap_;
  int top_ = 0, window_ = 1;  // what line 0 of the results reads: from where, how many lines
  int images_, lines_;        // of a chunk
  int runs_, bands_;          // of images, of lines
};

}  // namespace bonsai
