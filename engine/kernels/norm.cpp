#include "engine/kernels/norm.h"

#include <algorithm>
#include <utility>

#include "engine/kernels/columns.h"
#include "engine/kernels/norm_loops.h"
#include "engine/kernels/per_channel.h"
#include "engine/parallel.h"
#include "engine/simd.h"

namespace bonsai {
namespace {

// Merges a chunk of nb rows into the na rows before it.
BONSAI_SIMD void merge_moments(double na, double nb, const Scalar* chunk_mean,
                               const Scalar* chunk_squares, int channels, double* mean,
                               double* squares) {
  const double share = nb / (na + nb), weight = na * share;
  for (int c = 0; c < channels; ++c) {
    const double delta = chunk_mean[c] - mean[c];
    mean[c] += delta * share;
    squares[c] += chunk_squares[c] + delta * delta * weight;
  }
}

BONSAI_SIMD void add_to(const Scalar* part, int n, double* sums) {
  for (int i = 0; i < n; ++i) sums[i] += part[i];
}

// Vectors of C channels, repeated for the loops of per_channel.h, in scratch of the calling
// thread; chunks on other threads only read them.
class Repeated {
 public:
  Repeated(int channels, int count)
      : channels_(channels),
        repeats_(row_repeats(channels)),
        memory_(thread_scratch<Scalar>(2, static_cast<size_t>(count) * tile())) {}

  int tile() const { return channels_ * repeats_; }

  const Scalar* vector(int which, const Scalar* v) {
    Scalar* tiled = memory_ + which * tile();
    repeat_channels(v, channels_, repeats_, tiled);
    return tiled;
  }

 private:
  int channels_, repeats_;
  Scalar* memory_;
};

// Rows per piece of the passes that write: a multiple of nothing in particular, about 128 KiB.
int64_t piece_rows(int channels) { return 1 + (1 << 15) / channels; }

bool is_dense(const Rows& x) { return x.step == x.channels; }

// `rows` rows of x from `row` on without gaps: where they are, or copied to `memory`.
const Scalar* dense_rows(const Rows& x, int64_t row, int64_t rows, Scalar* memory) {
  const Scalar* first = x.data + row * x.step;
  if (is_dense(x)) return first;
  copy_columns(first, x.step, memory, x.channels, rows, x.channels, false);
  return memory;
}

// For loops over x, row by row unless neither x nor what is written has gaps.
NormVectors repeat(Repeated& repeated, const Normalisation& f, const Rows& x, bool dense) {
  return {.tile = repeated.tile(),
          .run = dense ? repeated.tile() : x.channels,
          .step = dense ? repeated.tile() : x.step,
          .mean = repeated.vector(0, f.mean),
          .scale = repeated.vector(1, f.scale),
          .shift = repeated.vector(2, f.shift)};
}

// plain, centred [C] = sums over the rows of x, by chunks in order. sum(begin, n, plain, centred)
// adds those of a chunk, n numbers from row `begin` on, to vectors that are repeated.
template <class Sum>
void sum_over_rows(const Rows& x, double* plain, double* centred, const Sum& sum) {
  const int channels = x.channels, repeats = row_repeats(channels);
  const int tile = channels * repeats;
  const int64_t grain = reduction_rows(channels);
  const int chunks = static_cast<int>((x.count + grain - 1) / grain);
  const Tensor parts = Tensor::uninitialized({chunks, 2, channels});
  parallel_ranges(x.count, grain, [&](int64_t begin, int64_t end) {
    Scalar* part = parts.data() + begin / grain * 2 * channels;
    Scalar* sums = thread_scratch<Scalar>(0, static_cast<size_t>(tile) * 2);
    std::fill_n(sums, 2 * tile, Scalar{0});
    sum(begin, (end - begin) * channels, sums, sums + tile);
    fold_channels(sums, channels, repeats, part);
    fold_channels(sums + tile, channels, repeats, part + channels);
  });
  std::fill_n(plain, channels, 0.0);
  std::fill_n(centred, channels, 0.0);
  for (int chunk = 0; chunk < chunks; ++chunk) {
    const Scalar* part = parts.data() + int64_t{chunk} * 2 * channels;
    add_to(part, channels, plain);
    add_to(part + channels, channels, centred);
  }
}

}  // namespace

Rows all_rows(const Tensor& x) {
  const int channels = x.dim(-1);
  return {.data = x.data(),
          .count = static_cast<int64_t>(x.size()) / channels,
          .channels = channels,
          .step = x.row_step()};
}

Rows rows_from(const Rows& matrix, int64_t first, int64_t count) {
  return {.data = matrix.data + first * matrix.step,
          .count = count,
          .channels = matrix.channels,
          .step = matrix.step};
}

ChannelMoments::ChannelMoments(std::vector<int64_t> block_rows, int channels)
    : rows_(std::move(block_rows)), first_{0}, chunk_(reduction_rows(channels)) {
  for (const int64_t rows : rows_) first_.push_back(first_.back() + (rows + chunk_ - 1) / chunk_);
  parts_ = Tensor::uninitialized({static_cast<int>(first_.back()), 2, channels});
}

void ChannelMoments::take(int block, const Rows& x) {
  const int channels = x.channels, repeats = row_repeats(channels), tile = channels * repeats;
  parallel_ranges(x.count, chunk_, [&](int64_t begin, int64_t end) {
    const int64_t rows = end - begin, n = rows * channels;
    const int64_t chunk = first_[static_cast<size_t>(block)] + begin / chunk_;
    Scalar* memory = thread_scratch<Scalar>(0, static_cast<size_t>(chunk_ * channels));
    const Scalar* values = dense_rows(x, begin, rows, memory);
    Scalar* mean = parts_.data() + chunk * 2 * channels;
    Scalar* squares = mean + channels;
    Scalar* sums = thread_scratch<Scalar>(2, static_cast<size_t>(tile) * 2);
    Scalar* means = sums + tile;
    std::fill_n(sums, tile, Scalar{0});
    sum_channels(values, n, tile, sums);
    fold_channels(sums, channels, repeats, mean);
    for (int c = 0; c < channels; ++c) mean[c] /= static_cast<Scalar>(rows);
    repeat_channels(mean, channels, repeats, means);
    std::fill_n(sums, tile, Scalar{0});
    sum_squares(values, n, tile, means, sums);
    fold_channels(sums, channels, repeats, squares);
  });
}

Tensor ChannelMoments::merged() const {
  const int channels = parts_.shape().back();
  std::vector<double> sums(2 * static_cast<size_t>(channels));
  double *mean = sums.data(), *squares = mean + channels;
  const Scalar* part = parts_.data();
  int64_t before = 0;
  for (int64_t left : rows_) {
    for (; left > 0; left -= chunk_, part += 2 * channels) {
      const int64_t rows = std::min(chunk_, left);
      merge_moments(static_cast<double>(before), static_cast<double>(rows), part, part + channels,
                    channels, mean, squares);
      before += rows;
    }
  }
  const Tensor merged = Tensor::uninitialized({2, channels});
  std::transform(sums.begin(), sums.end(), merged.data(),
                 [](double sum) { return static_cast<Scalar>(sum); });
  return merged;
}

Tensor channel_moments(const Rows& x) {
  ChannelMoments moments({x.count}, x.channels);
  moments.take(0, x);
  return moments.merged();
}

Tensor joined_moments(std::span<const Tensor> parts) {
  int channels = 0;
  for (const Tensor& part : parts) channels += part.dim(1);
  const Tensor joined = Tensor::uninitialized({2, channels});
  Scalar* to = joined.data();
  for (int row = 0; row < 2; ++row) {
    for (const Tensor& part : parts) {
      to = std::copy_n(part.data() + row * part.dim(1), part.dim(1), to);
    }
  }
  return joined;
}

void normalize_rows(const Rows& x, const Normalisation& f, const Scalar* added, Scalar* y) {
  const int channels = x.channels;
  Repeated repeated(channels, 3);
  const NormVectors vectors = repeat(repeated, f, x, is_dense(x));
  parallel_ranges(x.count, piece_rows(channels), [&](int64_t begin, int64_t end) {
    normalize(x.data + begin * x.step, (end - begin) * channels, vectors,
              added != nullptr ? added + begin * channels : nullptr, f.activation,
              y + begin * channels);
  });
}

void gradient_sums(const Rows& x, const Normalisation& f, const Scalar* dy, double* plain,
                   double* centred) {
  Repeated repeated(x.channels, 3);
  const NormVectors vectors = repeat(repeated, f, x, is_dense(x));
  sum_over_rows(x, plain, centred, [&](int64_t begin, int64_t n, Scalar* sums, Scalar* products) {
    sum_gradients(x.data + begin * x.step, dy + begin * x.channels, n, vectors, f.activation, sums,
                  products);
  });
}

void masked_gradient_sums(const Rows& x, const Normalisation& f, const Activation& g,
                          const Scalar* y, const Scalar* dy, Scalar* dz, double* plain,
                          double* centred) {
  Repeated repeated(x.channels, 3);
  const NormVectors vectors = repeat(repeated, f, x, is_dense(x));
  sum_over_rows(x, plain, centred, [&](int64_t begin, int64_t n, Scalar* sums, Scalar* products) {
    const int64_t first = begin * x.channels;
    mask_and_sum_gradients(x.data + begin * x.step, y + first, dy + first, n, vectors, g,
                           dz + first, sums, products);
  });
}

void scaled_gradient_sums(const Rows& x, const Normalisation& f, const Scalar* dy, double* plain,
                          double* centred, const Rows& dx, bool add) {
  const bool dense = is_dense(x) && is_dense(dx);
  Repeated repeated(x.channels, 3);
  const NormVectors vectors = repeat(repeated, f, x, dense);
  sum_over_rows(x, plain, centred, [&](int64_t begin, int64_t n, Scalar* sums, Scalar* products) {
    sum_and_scale_gradients(x.data + begin * x.step, dy + begin * x.channels, n, vectors,
                            f.activation, sums, products, dx.data + begin * dx.step,
                            dense ? vectors.tile : dx.step, add);
  });
}

void normalize_rows_back(const Rows& x, const Normalisation& f, const Scalar* dy, const Scalar* a,
                         const Scalar* b, const Scalar* c, const Rows& dx, bool add) {
  const int channels = x.channels;
  const bool dense = is_dense(x) && is_dense(dx);
  Repeated repeated(channels, 6);
  const NormVectors vectors = repeat(repeated, f, x, dense);
  const BackVectors back{
      .a = repeated.vector(3, a), .b = repeated.vector(4, b), .c = repeated.vector(5, c)};
  parallel_ranges(x.count, piece_rows(channels), [&](int64_t begin, int64_t end) {
    normalize_back(x.data + begin * x.step, dy + begin * channels, (end - begin) * channels,
                   vectors, f.activation, back, dx.data + begin * dx.step,
                   dense ? vectors.tile : dx.step, add);
  });
}

void add_line(const Rows& x, const Scalar* mean, const Scalar* slope, const Scalar* offset,
              const Rows& dx) {
  parallel_ranges(x.count, piece_rows(x.channels), [&](int64_t begin, int64_t end) {
    add_line_to_rows(x.data + begin * x.step, x.step, end - begin, x.channels, mean, slope, offset,
                     dx.data + begin * dx.step, dx.step);
  });
}

}  // namespace bonsai
