#pragma once

#include <optional>
#include <span>

#include "engine/ops/batch_norm.h"
#include "engine/ops/block_sums.h"
#include "engine/ops/permutation.h"

namespace bonsai {

// A batch norm, without an addition, whose result y exists a block of rows at a time: computed as
// somebody reads it, both on the way forth and on the way back. What it is given must outlive it.
class BlockwiseNorm {
 public:
  // `rest` and `statistics` as in BatchNormOp; x may be joined, and so is then the derivative by
  // it. The channels of y are in this order.
  BlockwiseNorm(const BatchNormOp& norm, const Tensor& x, std::span<const Tensor> rest,
                const BatchNormOp::Statistics& statistics, const Permutation& order);

  // y [count, C] of the rows from number `first` on.
  void normalize(int64_t first, int64_t count, Scalar* y) const;

  // The way back: begin_back(), then back() for every block, on any threads in any order, each with
  // the derivative dy [count, C] of its rows, then end_back(). Gives the derivatives by x, gamma
  // and beta (`rest`). Of a batch, or by the running statistics.
  void begin_back(int blocks);
  void back(int block, int64_t first, int64_t count, const Scalar* dy, const Gradient& dx);
  void end_back(bool training, const Gradient& dx, std::span<const Gradient> rest);

 private:
  JoinedRows x_;
  std::span<const Tensor> rest_;
  BatchNormOp::Statistics statistics_;
  Tensor scale_;  // [C]
  Normalisation f_;
  std::span<const int> order_, back_order_;  // empty: as they are
  std::optional<BlockSums> sums_{};
};

}  // namespace bonsai
