#pragma once

#include "engine/kernels/norm.h"
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

  // The same of another one's channels from number `first` on.
  void add(const ChannelLine& other, int first, int channels);

  // dx += the line at x, whose channels are those from number `first` on.
  void add_to(const Rows& dx, const Rows& x, int first = 0) const;
  void add_to(const JoinedRows& dx, const JoinedRows& x) const;

 private:
  Tensor vectors_;  // [3, C]: centre, slope, offset
};

}  // namespace bonsai
