#include "engine/ops/blockwise_norm.h"

#include "engine/kernels/gather.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

// Rows whose channels are put in order at a time, in the nearest cache.
int64_t piece_rows(int channels) { return (16 + (1 << 13) / channels) / 16 * 16; }

}  // namespace

BlockwiseNorm::BlockwiseNorm(const BatchNormOp& norm, const Tensor& x, std::span<const Tensor> rest,
                             const BatchNormOp::Statistics& statistics, const Permutation& order)
    : x_(x),
      rest_(rest),
      statistics_(statistics),
      scale_(Tensor::uninitialized({x_.channels})),
      f_(norm.normalisation(statistics, rest, scale_.data())),
      order_(order.index),
      back_order_(order.inverse) {}

void BlockwiseNorm::normalize(int64_t first, int64_t count, Scalar* y) const {
  if (order_.empty()) return normalize_rows(rows_from(x_, first, count), f_, y);
  const int channels = x_.channels;
  parallel_ranges(count, piece_rows(channels), [&](int64_t begin, int64_t end) {
    const int64_t rows = end - begin;
    auto* normal = thread_scratch<Scalar>(1, static_cast<size_t>(rows * channels));
    normalize_rows(rows_from(x_, first + begin, rows), f_, normal);
    gather_columns(normal, rows, channels, order_, y + begin * channels, false);
  });
}

void BlockwiseNorm::begin_back(int blocks) { sums_.emplace(blocks, x_.channels); }

// Of the derivative by x, what depends on the sums over the batch is left to the end.
void BlockwiseNorm::back(int block, int64_t first, int64_t count, const Scalar* dy,
                         const Gradient& dx) {
  const JoinedRows x = rows_from(x_, first, count);
  double *plain = sums_->plain(block), *centred = sums_->centred(block);
  Tensor ordered;
  if (!order_.empty()) {
    ordered = Tensor::uninitialized({static_cast<int>(count), x.channels});
    parallel_ranges(count, piece_rows(x.channels), [&](int64_t begin, int64_t end) {
      gather_columns(dy + begin * x.channels, end - begin, x.channels, back_order_,
                     ordered.data() + begin * x.channels, false);
    });
    dy = ordered.data();
  }
  if (dx.wanted()) {
    scaled_gradient_sums(x, f_, dy, plain, centred, rows_from(JoinedRows(*dx.tensor), first, count),
                         !dx.fresh);
  } else {
    gradient_sums(x, f_, dy, plain, centred);
  }
}

void BlockwiseNorm::end_back(bool training, const Gradient& dx, std::span<const Gradient> rest) {
  const int channels = x_.channels;
  const std::vector<double> sums = sums_->merged();
  const double *plain = sums.data(), *centred = plain + channels;
  BatchNormOp::give_sums(statistics_, channels, plain, centred, rest);
  if (!training || !dx.wanted()) return;
  const Tensor vectors = Tensor::uninitialized({2, channels});
  Scalar *slope = vectors.data(), *offset = slope + channels;
  BatchNormOp::line(training, statistics_, rest_, x_.count, plain, centred, slope, offset);
  ChannelLine own;
  (dx.line != nullptr ? *dx.line : own).add(statistics_.mean, slope, offset, channels);
  own.add_to(JoinedRows(*dx.tensor), x_);
}

}  // namespace bonsai
