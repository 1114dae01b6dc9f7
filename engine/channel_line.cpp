#include "engine/channel_line.h"

#include <algorithm>

#include "engine/kernels/norm.h"

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

void ChannelLine::add_to(const Tensor& dx, const Tensor& x, int begin) const {
  const int all = vectors_.dim(1), count = all - begin;
  const auto columns = [&](const Tensor& t) {
    return Rows{.data = t.data() + begin,
                .count = static_cast<int64_t>(t.size()) / all,
                .channels = count,
                .step = t.row_step()};
  };
  const Scalar* vectors = vectors_.data() + begin;
  add_line(columns(x), vectors, vectors + all, vectors + 2 * all, columns(dx));
}

}  // namespace bonsai
