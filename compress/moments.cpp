#include "compress/moments.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/ceil_div.h"
#include "engine/error.h"
#include "engine/kernels/gemm.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

constexpr int block_rows = 1024;
constexpr int tile = 384;  // side of a piece of X'X: its sums lie in the cache

int tiles(int columns) { return ceil_div(columns, tile); }

size_t product(int a, int b) { return static_cast<size_t>(a) * static_cast<size_t>(b); }

// Adds the part [m, n] of a single-precision product to a matrix.
void add_part(const Scalar* part, int m, int n, double* sum, int stride) {
  for (int i = 0; i < m; ++i) {
    for (int j = 0; j < n; ++j) sum[product(i, stride) + j] += double{part[product(i, n) + j]};
  }
}

// The upper triangle of a [n, n] from the lower one.
void mirror(std::vector<double>& a, int n) {
  constexpr int side = 64;
  const int blocks = ceil_div(n, side);
  parallel_chunks(blocks, [&](int64_t block) {
    const int begin = static_cast<int>(block) * side, end = std::min(n, begin + side);
    for (int from = begin; from < n; from += side) {
      for (int i = begin; i < end; ++i) {
        for (int j = std::max(from, i + 1); j < std::min(n, from + side); ++j) {
          a[product(i, n) + static_cast<size_t>(j)] = a[product(j, n) + static_cast<size_t>(i)];
        }
      }
    }
  });
}

}  // namespace

MomentSum::MomentSum(int columns, int outputs)
    : x_(product(block_rows, columns)),
      d_(product(block_rows, outputs)),
      d_squares_(static_cast<size_t>(outputs)) {
  sums_.columns = columns;
  sums_.outputs = outputs;
  sums_.xx.resize(product(columns, columns));
  sums_.xd.resize(product(columns, outputs));
  sums_.x_mean.resize(static_cast<size_t>(columns));
  sums_.d_mean.resize(static_cast<size_t>(outputs));
  sums_.magnitudes.resize(static_cast<size_t>(columns));
}

void MomentSum::add(const Scalar* x, const Scalar* d, int rows) {
  while (rows > 0) {
    const int taken = std::min(rows, block_rows - filled_);
    std::copy_n(x, product(taken, sums_.columns), x_.data() + product(filled_, sums_.columns));
    std::copy_n(d, product(taken, sums_.outputs), d_.data() + product(filled_, sums_.outputs));
    x += product(taken, sums_.columns);
    d += product(taken, sums_.outputs);
    rows -= taken;
    filled_ += taken;
    if (filled_ == block_rows) flush();
  }
}

void MomentSum::flush() {
  const int rows = std::exchange(filled_, 0);
  if (rows == 0) return;
  add_columns(rows);
  add_products(rows);
  sums_.rows += rows;
}

// Sums per column; takes the shift off X.
void MomentSum::add_columns(int rows) {
  const int columns = sums_.columns, outputs = sums_.outputs;
  const bool first = shift_.empty();
  if (first) shift_.resize(static_cast<size_t>(columns));
  parallel_ranges(columns, 64, [&](int64_t begin, int64_t end) {
    const auto range = static_cast<size_t>(end - begin);
    std::vector<double> sum(range), magnitude(range);
    for (int r = 0; r < rows; ++r) {
      const Scalar* x = x_.data() + product(r, columns) + begin;
      for (size_t c = 0; c < range; ++c) {
        sum[c] += double{x[c]};
        magnitude[c] += std::abs(double{x[c]});
      }
    }
    std::vector<Scalar> shift(range);
    for (size_t c = 0; c < range; ++c) {
      const size_t column = static_cast<size_t>(begin) + c;
      // Rounded to a Scalar, so that what is taken off is exactly what is put back.
      if (first) shift_[column] = double{static_cast<Scalar>(sum[c] / rows)};
      shift[c] = static_cast<Scalar>(shift_[column]);
      sums_.x_mean[column] += sum[c];
      sums_.magnitudes[column] += magnitude[c];
    }
    for (int r = 0; r < rows; ++r) {
      Scalar* x = x_.data() + product(r, columns) + begin;
      for (size_t c = 0; c < range; ++c) x[c] -= shift[c];
    }
  });
  for (int r = 0; r < rows; ++r) {
    const Scalar* d = d_.data() + product(r, outputs);
    for (size_t o = 0; o < sums_.d_mean.size(); ++o) {
      sums_.d_mean[o] += double{d[o]};
      d_squares_[o] += double{d[o]} * double{d[o]};
    }
  }
}

// Tiles of the lower triangle of X'X, and X'D by the same rows.
void MomentSum::add_products(int rows) {
  const int columns = sums_.columns, outputs = sums_.outputs, n = tiles(columns);
  parallel_chunks(int64_t{n} * (n + 1) / 2 + n, [&](int64_t chunk) {
    int i = 0;
    while (chunk > i + 1) chunk -= ++i + 1;  // tile row i holds i + 1 tiles, and its part of X'D
    const int j = static_cast<int>(chunk), top = i * tile, height = std::min(tile, columns - top);
    const Scalar* x = x_.data() + top;
    if (j > i) {
      Scalar* part = thread_scratch<Scalar>(0, product(height, outputs));
      gemm(Transpose::yes, Transpose::no, height, outputs, rows, 1, x, columns, d_.data(), outputs,
           0, part, outputs);
      add_part(part, height, outputs, sums_.xd.data() + product(top, outputs), outputs);
      return;
    }
    const int left = j * tile, width = std::min(tile, columns - left);
    Scalar* part = thread_scratch<Scalar>(0, product(height, width));
    gemm(Transpose::yes, Transpose::no, height, width, rows, 1, x, columns, x_.data() + left,
         columns, 0, part, width);
    add_part(part, height, width, sums_.xx.data() + product(top, columns) + left, columns);
  });
}

// With X = X~ + shift, deviations from the mean are those of X~:
//   sum (x - mean)(x - mean)' = X~'X~ - rows m~ m~',  m~ = mean - shift
// and the products of the values themselves are those of the deviations plus rows mean mean'.
Moments MomentSum::finish(bool centred) {
  flush();
  require(sums_.rows > 0, "moments: there are no samples");
  x_ = {};
  d_ = {};
  const int columns = sums_.columns, outputs = sums_.outputs;
  const double rows = sums_.rows;
  for (double& mean : sums_.x_mean) mean /= rows;
  for (double& mean : sums_.d_mean) mean /= rows;
  const double back = centred ? 0 : rows;
  parallel_ranges(columns, 64, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      const double mean = sums_.x_mean[i], off = mean - shift_[i];
      for (size_t j = 0; j <= i; ++j) {
        const double mean_j = sums_.x_mean[j], off_j = mean_j - shift_[j];
        sums_.xx[i * static_cast<size_t>(columns) + j] += back * mean * mean_j - rows * off * off_j;
      }
      for (size_t o = 0; o < sums_.d_mean.size(); ++o) {
        sums_.xd[i * static_cast<size_t>(outputs) + o] +=
            (back * mean - rows * off) * sums_.d_mean[o];
      }
    }
  });
  mirror(sums_.xx, columns);
  for (size_t o = 0; o < d_squares_.size(); ++o) {
    const double mean = sums_.d_mean[o];
    sums_.dd += centred ? std::max(0.0, d_squares_[o] - rows * mean * mean) : d_squares_[o];
  }
  sums_.centred = centred;
  return std::move(sums_);
}

size_t moment_bytes(int columns, int outputs) {
  const size_t block = product(block_rows, columns) + product(block_rows, outputs);
  return sizeof(double) * (product(columns, columns) + product(columns, outputs)) +
         sizeof(Scalar) * block;
}

}  // namespace bonsai
