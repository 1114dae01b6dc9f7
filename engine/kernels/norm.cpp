#include "engine/kernels/norm.h"

#include <algorithm>

#include "engine/kernels/columns.h"
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

template <class Sum>
[[gnu::always_inline]] inline void add_each(const Scalar* part, int64_t n, Sum* __restrict sums) {
  for (int64_t i = 0; i < n; ++i) sums[i] += part[i];
}

BONSAI_SIMD void add_to(const Scalar* part, int64_t n, double* sums) { add_each(part, n, sums); }
BONSAI_SIMD void add_terms(const Scalar* x, int64_t n, Scalar* y) { add_each(x, n, y); }

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

// Rows that stay in the first-level cache with what is computed of them: whole turns of the loops
// of per_channel.h, so that sums are added up in the order that the chunk's size alone decides.
int64_t block_rows(int channels) {
  const int64_t repeats = row_repeats(channels);
  return std::max<int64_t>(repeats, 2048 / channels / repeats * repeats);
}

// body(first row, its number of rows) over the blocks of a chunk.
template <class Body>
void each_block(int64_t begin, int64_t end, int channels, const Body& body) {
  const int64_t step = block_rows(channels);
  for (int64_t row = begin; row < end; row += step) body(row, std::min(step, end - row));
}

int64_t block_size(int channels) { return block_rows(channels) * channels; }

// `rows` rows of x from `row` on without gaps: where they are, or copied to `memory`.
const Scalar* dense_rows(const Rows& x, int64_t row, int64_t rows, Scalar* memory) {
  const Scalar* first = x.data + row * x.step;
  if (x.step == x.channels) return first;
  copy_columns(first, x.step, memory, x.channels, rows, x.channels, false);
  return memory;
}

// The vectors of a normalisation, repeated.
struct RepeatedNormalisation {
  const Scalar *mean, *scale, *shift;
  const Activation& activation;
  int tile;

  RepeatedNormalisation(Repeated& repeated, const Normalisation& f)
      : mean(repeated.vector(0, f.mean)),
        scale(repeated.vector(1, f.scale)),
        shift(repeated.vector(2, f.shift)),
        activation(f.activation),
        tile(repeated.tile()) {}
};

// Blocks of dz, in scratch of the thread that asks.
class DzBlocks {
 public:
  DzBlocks(const NormalisedBack& back, const RepeatedNormalisation& f)
      : back_(back),
        f_(f),
        size_(block_size(back.x.channels)),
        memory_(thread_scratch<Scalar>(0, static_cast<size_t>(3 * size_))) {}

  struct Block {
    const Scalar *x, *dz;
    Scalar* free;  // memory of the size of a block
  };

  Block at(int64_t row, int64_t rows) const {
    const int c = back_.x.channels;
    const int64_t n = rows * c;
    const Scalar* x = dense_rows(back_.x, row, rows, memory_);
    const Scalar* dy = back_.dy + row * c;
    Scalar *dz = memory_ + size_, *z = dz + size_;
    if (f_.activation.kind == Activation::none) return {x, dy, z};
    const Scalar* known = back_.y + row * c;
    if (back_.y == nullptr) {
      normalize(x, n, f_.tile, f_.mean, f_.scale, f_.shift, z);
      known = z;
    }
    activate_backward(f_.activation, known, known, dy, dz, n, false);
    return {x, dz, z};
  }

 private:
  const NormalisedBack& back_;
  const RepeatedNormalisation& f_;
  int64_t size_;
  Scalar* memory_;
};

void store(const Scalar* block, const RowsGradient& to, int64_t row, int64_t rows, int channels) {
  copy_columns(block, channels, to.data + row * to.step, to.step, rows, channels, to.add);
}

}  // namespace

void channel_moments(const Rows& x, double* mean, double* squares) {
  const int channels = x.channels, repeats = row_repeats(channels), tile = channels * repeats;
  const int64_t grain = reduction_rows(channels);
  const int chunks = static_cast<int>((x.count + grain - 1) / grain);
  const Tensor parts = Tensor::uninitialized({chunks, 2, channels});
  parallel_ranges(x.count, grain, [&](int64_t begin, int64_t end) {
    const int64_t rows = end - begin, n = rows * channels;
    Scalar* memory = thread_scratch<Scalar>(0, static_cast<size_t>(grain * channels));
    const Scalar* block = dense_rows(x, begin, rows, memory);
    Scalar* chunk_mean = parts.data() + begin / grain * 2 * channels;
    Scalar* chunk_squares = chunk_mean + channels;
    Scalar* sums = thread_scratch<Scalar>(2, static_cast<size_t>(tile) * 2);
    Scalar* means = sums + tile;
    std::fill_n(sums, tile, Scalar{0});
    sum_channels(block, n, tile, sums);
    fold_channels(sums, channels, repeats, chunk_mean);
    for (int c = 0; c < channels; ++c) chunk_mean[c] /= static_cast<Scalar>(rows);
    repeat_channels(chunk_mean, channels, repeats, means);
    std::fill_n(sums, tile, Scalar{0});
    sum_squares(block, n, tile, means, sums);
    fold_channels(sums, channels, repeats, chunk_squares);
  });
  std::fill_n(mean, channels, 0.0);
  std::fill_n(squares, channels, 0.0);
  for (int chunk = 0; chunk < chunks; ++chunk) {
    const int64_t before = chunk * grain, n = std::min(grain, x.count - before);
    const Scalar* part = parts.data() + int64_t{chunk} * 2 * channels;
    merge_moments(static_cast<double>(before), static_cast<double>(n), part, part + channels,
                  channels, mean, squares);
  }
}

void normalize_rows(const Rows& x, const Normalisation& normalisation, const Scalar* added,
                    Scalar* y) {
  const int channels = x.channels;
  Repeated repeated(channels, 3);
  const RepeatedNormalisation f(repeated, normalisation);
  parallel_ranges(x.count, piece_rows(channels), [&](int64_t begin, int64_t end) {
    Scalar* memory = thread_scratch<Scalar>(0, static_cast<size_t>(block_size(channels)));
    each_block(begin, end, channels, [&](int64_t row, int64_t rows) {
      const int64_t n = rows * channels;
      Scalar* result = y + row * channels;
      normalize(dense_rows(x, row, rows, memory), n, f.tile, f.mean, f.scale, f.shift, result);
      if (added != nullptr) add_terms(added + row * channels, n, result);
      activate(f.activation, result, result, n);
    });
  });
}

void gradient_sums(const NormalisedBack& back, double* plain, double* centred) {
  const int channels = back.x.channels, repeats = row_repeats(channels);
  const int tile = channels * repeats;
  const int64_t grain = reduction_rows(channels);
  const int chunks = static_cast<int>((back.x.count + grain - 1) / grain);
  const Tensor parts = Tensor::uninitialized({chunks, 2, channels});
  Repeated repeated(channels, 3);
  const RepeatedNormalisation f(repeated, back.f);
  parallel_ranges(back.x.count, grain, [&](int64_t begin, int64_t end) {
    Scalar* part = parts.data() + begin / grain * 2 * channels;
    Scalar* sums = thread_scratch<Scalar>(1, static_cast<size_t>(tile) * 2);
    std::fill_n(sums, 2 * tile, Scalar{0});
    const DzBlocks blocks(back, f);
    each_block(begin, end, channels, [&](int64_t row, int64_t rows) {
      const auto block = blocks.at(row, rows);
      sum_gradients(block.x, block.dz, rows * channels, tile, f.mean, sums, sums + tile);
    });
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

void normalize_rows_back(const NormalisedBack& back, const Scalar* a, const Scalar* b,
                         const Scalar* c, const RowsGradient& dx, const RowsGradient& added) {
  const int channels = back.x.channels;
  Repeated repeated(channels, 6);
  const RepeatedNormalisation f(repeated, back.f);
  const Scalar* tiled_a = repeated.vector(3, a);
  const Scalar* tiled_b = repeated.vector(4, b);
  const Scalar* tiled_c = repeated.vector(5, c);
  parallel_ranges(back.x.count, piece_rows(channels), [&](int64_t begin, int64_t end) {
    const DzBlocks blocks(back, f);
    each_block(begin, end, channels, [&](int64_t row, int64_t rows) {
      const auto [x, dz, free] = blocks.at(row, rows);
      const int64_t n = rows * channels;
      if (added.data != nullptr) store(dz, added, row, rows, channels);
      if (dx.data == nullptr) return;
      const bool dense = dx.step == channels;
      Scalar* to = dense ? dx.data + row * channels : free;
      normalize_back(x, dz, n, f.tile, f.mean, tiled_a, tiled_b, tiled_c, to, dense && dx.add);
      if (!dense) store(free, dx, row, rows, channels);
    });
  });
}

}  // namespace bonsai
