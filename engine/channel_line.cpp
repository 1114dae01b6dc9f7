#include "engine/channel_line.h"

#include <algorithm>

namespace bonsai {

void ChannelLine::add(const Scalar* centre, const Scalar* slope, const Scalar* offset,
                      int channels) {
  if (empty()) {
    vectors_ = Tensor({3, channels});
    std::copy_n(centre, channels, vectors_.data());
  }
  const Scalar* own_centre = vectors_.data();
  Scalar *own_slope = vectors_.data() + channels, *own_offset = own_slope + channels;
  for (int c = 0; c < channels; ++c) {
    own_slope[c] += slope[c];
    own_offset[c] += offset[c] + (own_centre[c] - centre[c]) * slope[c];
  }
}

ChannelLine ChannelLine::first(int channels) const {
  ChannelLine some;
  if (empty()) return some;
  const Scalar* vectors = vectors_.data();
  const int all = vectors_.dim(1);
  some.add(vectors, vectors + all, vectors + 2 * all, channels);
  return some;
}

void ChannelLine::add_to(const Rows& dx, const Rows& x, int begin) const {
  if (empty()) return;
  const int all = vectors_.dim(1);
  const Scalar* vectors = vectors_.data() + begin;
  add_line(x, vectors, vectors + all, vectors + 2 * all, dx);
}

}  // namespace bonsai
