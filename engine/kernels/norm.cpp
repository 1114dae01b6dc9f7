#include "engine/kernels/norm.h"

#include <algorithm>

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

}  // namespace

void channel_moments(const Scalar* x, int64_t rows, int channels, double* mean, double* squares) {
  const int repeats = row_repeats(channels), tile = channels * repeats;
  const int64_t grain = reduction_rows(channels);
  const int chunks = static_cast<int>((rows + grain - 1) / grain);
  const Tensor parts = Tensor::uninitialized({chunks, 2, channels});
  parallel_ranges(rows, grain, [&](int64_t begin, int64_t end) {
    const int64_t n = (end - begin) * channels;
    Scalar* chunk_mean = parts.data() + begin / grain * 2 * channels;
    Scalar* chunk_squares = chunk_mean + channels;
    Scalar* sums = thread_scratch<Scalar>(2, static_cast<size_t>(tile) * 2);
    Scalar* means = sums + tile;
    std::fill_n(sums, tile, Scalar{0});
    sum_channels(x + begin * channels, n, tile, sums);
    fold_channels(sums, channels, repeats, chunk_mean);
    for (int c = 0; c < channels; ++c) chunk_mean[c] /= static_cast<Scalar>(end - begin);
    repeat_channels(chunk_mean, channels, repeats, means);
    std::fill_n(sums, tile, Scalar{0});
    sum_squares(x + begin * channels, n, tile, means, sums);
    fold_channels(sums, channels, repeats, chunk_squares);
  });
  std::fill_n(mean, channels, 0.0);
  std::fill_n(squares, channels, 0.0);
  for (int chunk = 0; chunk < chunks; ++chunk) {
    const int64_t before = chunk * grain, n = std::min(grain, rows - before);
    const Scalar* part = parts.data() + int64_t{chunk} * 2 * channels;
    merge_moments(static_cast<double>(before), static_cast<double>(n), part, part + channels,
                  channels, mean, squares);
  }
}

void gradient_sums(const Scalar* x, const Scalar* dy, int64_t rows, int channels,
                   const Scalar* mean, double* plain, double* centred) {
  const int repeats = row_repeats(channels), tile = channels * repeats;
  const int64_t grain = reduction_rows(channels);
  const int chunks = static_cast<int>((rows + grain - 1) / grain);
  const Tensor parts = Tensor::uninitialized({chunks, 2, channels});
  parallel_ranges(rows, grain, [&](int64_t begin, int64_t end) {
    Scalar* part = parts.data() + begin / grain * 2 * channels;
    Scalar* means = thread_scratch<Scalar>(2, static_cast<size_t>(tile) * 3);
    repeat_channels(mean, channels, repeats, means);
    std::fill_n(means + tile, 2 * tile, Scalar{0});
    sum_gradients(x + begin * channels, dy + begin * channels, (end - begin) * channels, tile,
                  means, means + tile, means + 2 * tile);
    fold_channels(means + tile, channels, repeats, part);
    fold_channels(means + 2 * tile, channels, repeats, part + channels);
  });
  std::fill_n(plain, channels, 0.0);
  std::fill_n(centred, channels, 0.0);
  for (int chunk = 0; chunk < chunks; ++chunk) {
    const Scalar* part = parts.data() + int64_t{chunk} * 2 * channels;
    add_to(part, channels, plain);
    add_to(part + channels, channels, centred);
  }
}

void normalize_rows(const Scalar* x, int64_t rows, int channels, const Scalar* mean,
                    const Scalar* scale, const Scalar* shift, Scalar* y) {
  Repeated repeated(channels, 3);
  const Scalar* m = repeated.vector(0, mean);
  const Scalar* s = repeated.vector(1, scale);
  const Scalar* b = repeated.vector(2, shift);
  parallel_ranges(rows, piece_rows(channels), [&](int64_t begin, int64_t end) {
    normalize(x + begin * channels, (end - begin) * channels, repeated.tile(), m, s, b,
              y + begin * channels);
  });
}

void normalize_rows_back(const Scalar* x, const Scalar* dy, int64_t rows, int channels,
                         const Scalar* mean, const Scalar* a, const Scalar* b, const Scalar* c,
                         Scalar* dx, bool add) {
  Repeated repeated(channels, 4);
  const Scalar* tiled_mean = repeated.vector(0, mean);
  const Scalar* tiled_a = repeated.vector(1, a);
  const Scalar* tiled_b = repeated.vector(2, b);
  const Scalar* tiled_c = repeated.vector(3, c);
  parallel_ranges(rows, piece_rows(channels), [&](int64_t begin, int64_t end) {
    normalize_back(x + begin * channels, dy + begin * channels, (end - begin) * channels,
                   repeated.tile(), tiled_mean, tiled_a, tiled_b, tiled_c, dx + begin * channels,
                   add);
  });
}

}  // namespace bonsai
