#include "engine/ops/blockwise_norm.h"

namespace bonsai {

BlockwiseNorm::BlockwiseNorm(const BatchNormOp& norm, const Tensor& x, std::span<const Tensor> rest,
                             const BatchNormOp::Statistics& statistics)
    : norm_(norm),
      x_(all_rows(x)),
      rest_(rest),
      statistics_(statistics),
      scale_(Tensor::uninitialized({x_.channels})),
      f_(norm.normalisation(statistics, rest, scale_.data())) {}

void BlockwiseNorm::normalize(int64_t first, int64_t count, Scalar* y) const {
  normalize_rows(rows_from(x_, first, count), f_, nullptr, y);
}

void BlockwiseNorm::begin_back(int blocks) {
  sums_.resize(static_cast<size_t>(blocks) * 2 * static_cast<size_t>(x_.channels));
}

// Of the derivative by x, what depends on the sums over the batch is left to the end.
void BlockwiseNorm::back(int block, int64_t first, int64_t count, const Scalar* dy,
                         const Gradient& dx) {
  const Rows x = rows_from(x_, first, count);
  double* plain = sums_.data() + int64_t{block} * 2 * x.channels;
  double* centred = plain + x.channels;
  if (dx.wanted()) {
    scaled_gradient_sums(x, f_, dy, plain, centred, rows_from(all_rows(*dx.tensor), first, count),
                         !dx.fresh);
  } else {
    gradient_sums(x, f_, dy, plain, centred);
  }
}

void BlockwiseNorm::end_back(bool training, const Gradient& dx, std::span<const Gradient> rest) {
  const int channels = x_.channels;
  const size_t both = 2 * static_cast<size_t>(channels);
  for (size_t i = both; i < sums_.size(); ++i) sums_[i % both] += sums_[i];
  const Tensor vectors = Tensor::uninitialized({2, channels});
  Scalar *slope = vectors.data(), *offset = slope + channels;
  norm_.give_sums(training, statistics_, rest_, x_.count, sums_.data(), sums_.data() + channels,
                  rest, slope, offset);
  if (!training || !dx.wanted()) return;
  ChannelLine own;
  (dx.line != nullptr ? *dx.line : own).add(statistics_.mean, slope, offset, channels);
  own.add_to(all_rows(*dx.tensor), x_);
}

}  // namespace bonsai
