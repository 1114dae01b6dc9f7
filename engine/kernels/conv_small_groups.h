// What the directions of the "small groups" row share. Inside, every group has `size` channels, a
// power of two that holds what it reads and what it writes. Images whose groups are of that size
// are used as they are; others are copied, line by line, into lines with gaps of zeros.
#pragma once

#include <cstdint>

#include "engine/kernels/conv.h"
#include "engine/kernels/lanes.h"
#include "engine/parallel.h"

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

// Results of a line that are computed at a time; between them shares of the next lines are asked
// for, which are more streams than a processor foresees.
constexpr int piece = 8;
inline int pieces(int pixels) { return (pixels + piece - 1) / piece; }

// The taps of one line of results that reach into the image, in scratch of the calling thread.
class TapLine {
 public:
  TapLine(const ConvShape& s, int slot)
      : taps_(thread_scratch<LaneTap>(slot, static_cast<size_t>(s.taps()))) {}

  void clear() { count_ = 0; }
  void add(const LaneTap& tap) { taps_[count_++] = tap; }

  const LaneTap* begin() const { return taps_; }
  const LaneTap* end() const { return taps_ + count_; }
  int count() const { return count_; }

 private:
  LaneTap* taps_;
  int count_ = 0;
};

// The results for which all of them do; at the end of the line if there are none.
struct Inner {
  int begin, end;

  Inner(const TapLine& line, int pixels);
};

// The taps of line oh of y in an image x with room for `size` channels per group, column by column
// of the kernel.
void collect_taps(const ConvShape& s, const SmallGroups& g, const Scalar* x, int oh, TapLine& line);

}  // namespace bonsai
