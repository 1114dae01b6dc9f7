#pragma once

#include "engine/tensor.h"

namespace bonsai {

// The part of a derivative by a value that is linear in the value itself, channel by channel:
//   (x - centre) * slope + offset
// Batch norm's is known only when its whole batch has been seen (engine/ops/batch_norm.cpp). All
// that read one value put theirs together here, and it is added to the gradient once, in one pass.
class ChannelLine {
 public:
  bool empty() const { return !vectors_.defined(); }

  // Adds another one; each vector has `channels` numbers.
  void add(const Scalar* centre, const Scalar* slope, const Scalar* offset, int channels);

  // That of the first channels alone.
  ChannelLine first(int channels) const;

  // dx += the line at x, for the channels from number `begin` on. x, dx [..., C], or columns.
  void add_to(const Tensor& dx, const Tensor& x, int begin) const;

 private:
  Tensor vectors_;  // [3, C]: centre, slope, offset
};

}  // namespace bonsai
