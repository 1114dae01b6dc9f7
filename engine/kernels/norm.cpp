#include "engine/kernels/norm.h"

#include <algorithm>
#include <utility>

#include "engine/ceil_div.h"
#include "engine/error.h"
#include "engine/kernels/norm_columns.h"
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

// f for loops over a matrix without gaps, several rows at a time.
NormVectors repeat(Repeated& repeated, const Normalisation& f) {
  return {.tile = repeated.tile(),
          .mean = repeated.vector(0, f.mean),
          .scale = repeated.vector(1, f.scale),
          .shift = repeated.vector(2, f.shift)};
}

// plain, centred [C] = sums over `count` rows, by chunks in order. sum(begin, end, plain, centred)
// adds those of a chunk's rows to vectors of C channels that are repeated so often.
template <class Sum>
void sum_over_rows(int64_t count, int channels, int repeats, double* plain, double* centred,
                   const Sum& sum) {
  const int tile = channels * repeats;
  const int64_t grain = reduction_rows(channels);
  const int chunks = static_cast<int>(ceil_div(count, grain));
  const Tensor parts = Tensor::uninitialized({chunks, 2, channels});
  parallel_ranges(count, grain, [&](int64_t begin, int64_t end) {
    Scalar* part = parts.data() + begin / grain * 2 * channels;
    Scalar* sums = thread_scratch<Scalar>(0, static_cast<size_t>(tile) * 2);
    std::fill_n(sums, 2 * tile, Scalar{0});
    sum(begin, end, sums, sums + tile);
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

// Some rows of a part of a joined matrix, and f of its channels: they begin with number `in_part`
// of it, and lie from number `in_whole` on in matrices [rows, C].
struct Part {
  size_t number;
  Rows x;
  Normalisation f;
  int channel;
  int64_t in_part, in_whole;
};

// visit(part) for the rows [begin, end) of all parts, a few rows at a time: what all parts meet in
// other matrices, where their channels lie side by side, is then in the nearest cache.
template <class Visit>
void for_each_part(const JoinedRows& x, const Normalisation& f, int64_t begin, int64_t end,
                   const Visit& visit) {
  const int64_t most = 16 + (1 << 13) / x.channels;
  for (int64_t row = begin; row < end; row += most) {
    int c = 0;
    for (size_t p = 0; p < x.parts.size(); ++p) {
      const Rows part = rows_from(x.parts[p], row, std::min(most, end - row));
      visit(Part{.number = p,
                 .x = part,
                 .f = {f.mean + c, f.scale + c, f.shift + c, f.activation},
                 .channel = c,
                 .in_part = row * part.channels,
                 .in_whole = row * x.channels + c});
      c += part.channels;
    }
  }
}

// The sums over a matrix without gaps: sum(first, n, vectors, plain, centred) adds those of n
// numbers from number `first` on to vectors as long as `vectors`.
template <class Sum>
void sum_over_whole(const Rows& x, const Normalisation& f, double* plain, double* centred,
                    const Sum& sum) {
  const int channels = x.channels;
  Repeated repeated(channels, 3);
  const NormVectors vectors = repeat(repeated, f);
  sum_over_rows(x.count, channels, row_repeats(channels), plain, centred,
                [&](int64_t begin, int64_t end, Scalar* sums, Scalar* products) {
                  sum(begin * channels, (end - begin) * channels, vectors, sums, products);
                });
}

// The same over a joined one: sum(part, plain, centred) adds those of a part to its channels'.
template <class Sum>
void sum_over_parts(const JoinedRows& x, const Normalisation& f, double* plain, double* centred,
                    const Sum& sum) {
  sum_over_rows(x.count, x.channels, 1, plain, centred,
                [&](int64_t begin, int64_t end, Scalar* sums, Scalar* products) {
                  for_each_part(x, f, begin, end, [&](const Part& part) {
                    sum(part, sums + part.channel, products + part.channel);
                  });
                });
}

}  // namespace

JoinedRows::JoinedRows(const Tensor& x)
    : count(static_cast<int64_t>(x.size()) / x.dim(-1)), channels(x.dim(-1)) {
  for (const Tensor& part : x.parts()) parts.push_back(all_rows(part));
}

Rows all_rows(const Tensor& x) {
  require(!x.is_joined(), "rows: ", x.shape(), " is joined of several tensors");
  const int channels = x.dim(-1);
  return {
      .data = x.data(), .count = static_cast<int64_t>(x.size()) / channels, .channels = channels};
}

Rows rows_from(const Rows& matrix, int64_t first, int64_t count) {
  return {
      .data = matrix.data + first * matrix.channels, .count = count, .channels = matrix.channels};
}

JoinedRows rows_from(const JoinedRows& matrix, int64_t first, int64_t count) {
  JoinedRows some = matrix;
  some.count = count;
  for (Rows& part : some.parts) part = rows_from(part, first, count);
  return some;
}

ChannelMoments::ChannelMoments(std::vector<int64_t> block_rows, int channels)
    : rows_(std::move(block_rows)), first_{0}, chunk_(reduction_rows(channels)) {
  for (const int64_t rows : rows_) first_.push_back(first_.back() + ceil_div(rows, chunk_));
  parts_ = Tensor::uninitialized({static_cast<int>(first_.back()), 2, channels});
}

void ChannelMoments::take(int block, const Rows& x) {
  const int channels = x.channels, repeats = row_repeats(channels), tile = channels * repeats;
  parallel_ranges(x.count, chunk_, [&](int64_t begin, int64_t end) {
    const int64_t rows = end - begin, n = rows * channels;
    const int64_t chunk = first_[static_cast<size_t>(block)] + begin / chunk_;
    const Scalar* values = x.data + begin * channels;
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
  const NormVectors vectors = repeat(repeated, f);
  parallel_ranges(x.count, piece_rows(channels), [&](int64_t begin, int64_t end) {
    const int64_t first = begin * channels;
    normalize(x.data + first, (end - begin) * channels, vectors,
              added != nullptr ? added + first : nullptr, f.activation, y + first);
  });
}

void normalize_rows(const JoinedRows& x, const Normalisation& f, Scalar* y) {
  if (x.parts.size() == 1) return normalize_rows(x.parts[0], f, nullptr, y);
  parallel_ranges(x.count, piece_rows(x.channels), [&](int64_t begin, int64_t end) {
    for_each_part(x, f, begin, end, [&](const Part& part) {
      normalize_columns(part.x, part.f, y + part.in_whole, x.channels);
    });
  });
}

void gradient_sums(const Rows& x, const Normalisation& f, const Scalar* dy, double* plain,
                   double* centred) {
  sum_over_whole(
      x, f, plain, centred,
      [&](int64_t first, int64_t n, const NormVectors& v, Scalar* sums, Scalar* products) {
        sum_gradients(x.data + first, dy + first, n, v, f.activation, sums, products);
      });
}

void gradient_sums(const JoinedRows& x, const Normalisation& f, const Scalar* dy, double* plain,
                   double* centred) {
  if (x.parts.size() == 1) return gradient_sums(x.parts[0], f, dy, plain, centred);
  sum_over_parts(x, f, plain, centred, [&](const Part& part, Scalar* sums, Scalar* products) {
    sum_column_gradients(part.x, part.f, dy + part.in_whole, x.channels, sums, products);
  });
}

void scaled_gradient_sums(const JoinedRows& x, const Normalisation& f, const Scalar* dy,
                          double* plain, double* centred, const JoinedRows& dx, bool add) {
  if (x.parts.size() == 1) {
    const Scalar* from = x.parts[0].data;
    Scalar* to = dx.parts[0].data;
    return sum_over_whole(
        x.parts[0], f, plain, centred,
        [&](int64_t first, int64_t n, const NormVectors& v, Scalar* sums, Scalar* products) {
          sum_and_scale_gradients(from + first, dy + first, n, v, f.activation, sums, products,
                                  to + first, add);
        });
  }
  sum_over_parts(x, f, plain, centred, [&](const Part& part, Scalar* sums, Scalar* products) {
    sum_and_scale_column_gradients(part.x, part.f, dy + part.in_whole, x.channels, sums, products,
                                   dx.parts[part.number].data + part.in_part, add);
  });
}

void masked_gradient_sums(const Rows& x, const Normalisation& f, const Activation& g,
                          const Scalar* y, const Scalar* dy, Scalar* dz, double* plain,
                          double* centred) {
  sum_over_whole(
      x, f, plain, centred,
      [&](int64_t first, int64_t n, const NormVectors& v, Scalar* sums, Scalar* products) {
        mask_and_sum_gradients(x.data + first, y + first, dy + first, n, v, g, dz + first, sums,
                               products);
      });
}

void normalize_rows_back(const Rows& x, const Normalisation& f, const Scalar* dy, const Scalar* a,
                         const Scalar* b, const Scalar* c, Scalar* dx, bool add) {
  const int channels = x.channels;
  Repeated repeated(channels, 6);
  const NormVectors vectors = repeat(repeated, f);
  const BackVectors back{
      .a = repeated.vector(3, a), .b = repeated.vector(4, b), .c = repeated.vector(5, c)};
  parallel_ranges(x.count, piece_rows(channels), [&](int64_t begin, int64_t end) {
    const int64_t first = begin * channels;
    normalize_back(x.data + first, dy + first, (end - begin) * channels, vectors, f.activation,
                   back, dx + first, add);
  });
}

void add_line(const Rows& x, const Scalar* mean, const Scalar* slope, const Scalar* offset,
              Scalar* dx) {
  const int channels = x.channels;
  Repeated repeated(channels, 3);
  const Scalar *means = repeated.vector(0, mean), *slopes = repeated.vector(1, slope),
               *offsets = repeated.vector(2, offset);
  parallel_ranges(x.count, piece_rows(channels), [&](int64_t begin, int64_t end) {
    const int64_t first = begin * channels;
    add_line(x.data + first, (end - begin) * channels, repeated.tile(), means, slopes, offsets,
             dx + first);
  });
}

}  // namespace bonsai
