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

void ChannelLine::add(const ChannelLine& other, int first, int channels) {
  if (other.empty()) return;
  const Scalar* centre = other.vectors_.data() + first;
  const int all = other.vectors_.dim(1);
  add(centre, centre + all, centre + 2 * all, channels);
}

void ChannelLine::add_to(const Rows& dx, const Rows& x, int first) const {
  if (empty()) return;
  const Scalar* centre = vectors_.data() + first;
  const int all = vectors_.dim(1);
  add_line(x, centre, centre + all, centre + 2 * all, dx.data);
}

void ChannelLine::add_to(const JoinedRows& dx, const JoinedRows& x) const {
  int first = 0;
  for (size_t p = 0; p < x.parts.size(); ++p) {
    add_to(dx.parts[p], x.parts[p], first);
    first += x.parts[p].channels;
  }
}

}  // namespace bonsai
