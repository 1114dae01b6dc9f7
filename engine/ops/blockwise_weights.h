#pragma once

#include "engine/op.h"
#include "engine/ops/image_blocks.h"

namespace bonsai {

// The derivative of a convolution by its weights, of blocks of images as they come: each share of
// the batch, a run of blocks, has sums of its own, which are added in order at the end. Where the
// kernel wants the batch as a whole (conv_backward_weights_in_blocks()), all is done at the end.
class BlockwiseWeights {
 public:
  // `dw` may be unwanted: then nothing is done. What is given must outlive this.
  BlockwiseWeights(const ConvShape& shape, const ImageBlocks& blocks, const Gradient& dw);

  bool wanted() const { return dw_.wanted(); }
  bool wants_whole() const { return wanted() && !sums_.defined(); }

  // Share s is the blocks [first(s), first(s + 1)), which are to be added one after the other;
  // without sums every block is a share.
  int shares() const { return shares_; }
  int first(int share) const;

  // Of block i, of this share, what is to be added: from what the convolution read, and the
  // derivative by its result. Nothing (no dw) where that is done at the end.
  ConvBackwardWeights of_block(int share, int i, const Scalar* x, const Scalar* dy) const;

  // Gives the derivative; x and dy are read if this wants_whole().
  void end(const Scalar* x, const Scalar* dy);

 private:
  ConvShape shape_;
  const ImageBlocks& blocks_;
  const Gradient& dw_;
  int64_t size_;
  int shares_;
  Tensor sums_{};  // [shares, weights]
};

}  // namespace bonsai
