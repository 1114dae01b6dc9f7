#include "engine/ops/blockwise_weights.h"

#include "engine/kernels/conv.h"
#include "engine/kernels/finish.h"

namespace bonsai {

BlockwiseWeights::BlockwiseWeights(const ConvShape& shape, const ImageBlocks& blocks,
                                   const Gradient& dw)
    : shape_(shape),
      blocks_(blocks),
      dw_(dw),
      size_(int64_t{shape.out} * shape.depth()),
      shares_(blocks.count()) {
  const bool whole = blocks.count() == 1 || !conv_backward_weights_in_blocks(blocks[0].shape);
  if (whole || !wanted()) return;
  shares_ = blocks.sums(size_);
  sums_ = Tensor::uninitialized({shares_, static_cast<int>(size_)});
}

int BlockwiseWeights::first(int share) const {
  return static_cast<int>(int64_t{share} * blocks_.count() / shares_);
}

ConvBackwardWeights BlockwiseWeights::of_block(int share, int i, const Scalar* x,
                                               const Scalar* dy) const {
  return {.shape = blocks_[i].shape,
          .x = x,
          .dy = dy,
          .dw = sums_.defined() ? sums_.data() + share * size_ : nullptr,
          .add = i > first(share)};
}

void BlockwiseWeights::end(const Scalar* x, const Scalar* dy) {
  if (sums_.defined()) {
    add_parts(sums_.data(), shares_, size_, dw_.data(), !dw_.fresh);
  } else if (wanted()) {
    conv_backward_weights({.shape = shape_, .x = x, .dy = dy, .dw = dw_.data(), .add = !dw_.fresh});
  }
}

}  // namespace bonsai
