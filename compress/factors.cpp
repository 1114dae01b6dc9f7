#include "compress/factors.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/kernels/lapack.h"

namespace bonsai {
namespace {

size_t at(int row, int column, int stride) {
  return static_cast<size_t>(row) * static_cast<size_t>(stride) + static_cast<size_t>(column);
}

void require_rank(int rank, int full) {
  require(rank >= 1 && rank <= full, "factors: rank is ", rank, ", should be 1 to ", full);
}

struct Singular {
  std::vector<double> left, right;  // [rank, rows], [rank, columns]: their products sum up to m
};

// Of m [rows, columns], the largest first. What a singular value scales is shared by both sides,
// so that training, if it follows, moves both alike.
Singular singular_vectors(const std::vector<double>& m, int rows, int columns, int rank) {
  const bool by_rows = rows <= columns;
  const int n = std::min(rows, columns), other = std::max(rows, columns);
  std::vector<double> vectors(at(n, 0, n));  // of m m' or m'm
  const Transpose left = by_rows ? Transpose::no : Transpose::yes,
                  right = by_rows ? Transpose::yes : Transpose::no;
  dgemm(left, right, n, n, other, 1, m.data(), columns, m.data(), columns, 0, vectors.data(), n);
  const std::vector<double> squares = eigenvectors(n, vectors.data());
  std::vector<double> images(at(rank, 0, other));  // m'u, or m v
  dgemm(Transpose::no, by_rows ? Transpose::no : Transpose::yes, rank, other, n, 1, vectors.data(),
        n, m.data(), columns, 0, images.data(), other);
  vectors.resize(at(rank, 0, n));
  for (int i = 0; i < rank; ++i) {
    const double share = std::sqrt(std::sqrt(std::max(squares[static_cast<size_t>(i)], 0.0)));
    if (share * share <= 1e-12 * std::sqrt(squares[0])) continue;  // numerically not of the rank
    for (int j = 0; j < n; ++j) vectors[at(i, j, n)] *= share;
    for (int j = 0; j < other; ++j) images[at(i, j, other)] /= share;
  }
  return by_rows ? Singular{std::move(vectors), std::move(images)}
                 : Singular{std::move(images), std::move(vectors)};
}

}  // namespace

int full_spatial_rank(const Shape& w) { return std::min(w[1] * w[3], w[0] * w[2]); }

Factors spatial_factors(const Tensor& w, int rank) {
  const int out = w.dim(0), kh = w.dim(1), kw = w.dim(2), in = w.dim(3);
  require_rank(rank, full_spatial_rank(w.shape()));
  const int rows = kh * in, columns = out * kw;
  std::vector<double> m(at(rows, 0, columns));
  size_t from = 0;
  for (int o = 0; o < out; ++o) {
    for (int p = 0; p < kh; ++p) {
      for (int q = 0; q < kw; ++q) {
        for (int i = 0; i < in; ++i) m[at(p * in + i, o * kw + q, columns)] = double{w[from++]};
      }
    }
  }
  const Singular pairs = singular_vectors(m, rows, columns, rank);
  Factors factors{.first = Tensor::uninitialized({rank, kh, 1, in}),
                  .second = Tensor::uninitialized({out, 1, kw, rank})};
  for (size_t i = 0; i < factors.first.size(); ++i) {
    factors.first[i] = static_cast<Scalar>(pairs.left[i]);
  }
  for (int r = 0; r < rank; ++r) {
    for (int c = 0; c < columns; ++c) {
      factors.second[at(c, r, rank)] = static_cast<Scalar>(pairs.right[at(r, c, columns)]);
    }
  }
  return factors;
}

Factors channel_factors(const Tensor& w, int rank, const std::vector<double>& covariance,
                        const std::vector<double>& scales) {
  const int out = w.dim(0), columns = static_cast<int>(w.size()) / out;
  require_rank(rank, out);
  require(covariance.size() == at(out, 0, out) && scales.size() == static_cast<size_t>(out),
          "factors: covariance and scales have ", covariance.size(), " and ", scales.size(),
          " entries, should be ", out, " x ", out, " and ", out);
  std::vector<double> u = covariance;
  for (int i = 0; i < out; ++i) {
    for (int j = 0; j < out; ++j) {
      u[at(i, j, out)] *= scales[static_cast<size_t>(i)] * scales[static_cast<size_t>(j)];
    }
  }
  eigenvectors(out, u.data());
  Factors factors{
      .first = Tensor::uninitialized({rank, w.dim(1), w.dim(2), w.dim(3)}),
      .second = Tensor::uninitialized({out, 1, 1, rank}),
  };
  std::vector<double> scaled(w.size()), first(at(rank, 0, columns));
  for (size_t i = 0; i < scaled.size(); ++i) {
    scaled[i] = scales[i / static_cast<size_t>(columns)] * double{w[i]};
  }
  dgemm(Transpose::no, Transpose::no, rank, columns, out, 1, u.data(), out, scaled.data(), columns,
        0, first.data(), columns);
  for (size_t i = 0; i < first.size(); ++i) factors.first[i] = static_cast<Scalar>(first[i]);
  for (int r = 0; r < rank; ++r) {
    for (int o = 0; o < out; ++o) {
      factors.second[at(o, r, rank)] =
          static_cast<Scalar>(u[at(r, o, out)] / scales[static_cast<size_t>(o)]);
    }
  }
  return factors;
}

}  // namespace bonsai
