#include "compress/regression.h"

#include <algorithm>

#include "engine/ceil_div.h"
#include "engine/kernels/lapack.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

constexpr int side = 64;  // of the pieces of zz

size_t at(int row, int column, int stride) {
  return static_cast<size_t>(row) * static_cast<size_t>(stride) + static_cast<size_t>(column);
}

}  // namespace

std::vector<int> columns_of(const Regression& regression, const std::vector<int>& channels) {
  std::vector<int> columns;
  for (int t = 0; t < regression.taps; ++t) {
    for (const int i : channels) columns.push_back(t * regression.channels + i);
  }
  return columns;
}

// zz[i, j] = sum over taps p, q of (X'X o w'w)[(p, i), (q, j)]; a piece of w'w at a time.
Contributions contributions(const Regression& regression) {
  const Moments& m = regression.moments;
  const int c = regression.channels, taps = regression.taps;
  Contributions result{.zz = std::vector<double>(at(c, 0, c)),
                       .zd = std::vector<double>(static_cast<size_t>(c))};
  const int n = ceil_div(c, side);
  parallel_chunks(int64_t{n} * n, [&](int64_t chunk) {
    const int top = static_cast<int>(chunk) / n * side, left = static_cast<int>(chunk) % n * side;
    if (left > top) return;
    const int height = std::min(side, c - top), width = std::min(side, c - left);
    double* ww = thread_scratch<double>(0, size_t{side} * side);
    for (int pq = 0; pq < taps * taps; ++pq) {
      const int row = pq / taps * c + top, column = pq % taps * c + left;
      dgemm(Transpose::yes, Transpose::no, height, width, m.outputs, 1, regression.w.data() + row,
            m.columns, regression.w.data() + column, m.columns, 0, ww, side);
      for (int i = 0; i < height; ++i) {
        const double* xx = m.xx.data() + at(row + i, column, m.columns);
        double* zz = result.zz.data() + at(top + i, left, c);
        for (int j = 0; j < width; ++j) zz[j] += xx[j] * ww[i * side + j];
      }
    }
  });
  for (int i = 0; i < c; ++i) {
    // Of the tiles on the diagonal both halves were computed; the lower one counts.
    for (int j = i + 1; j < c; ++j) result.zz[at(i, j, c)] = result.zz[at(j, i, c)];
    for (int t = 0; t < taps; ++t) {
      const int column = t * c + i;
      for (int o = 0; o < m.outputs; ++o) {
        result.zd[static_cast<size_t>(i)] +=
            regression.w[at(o, column, m.columns)] * m.xd[at(column, o, m.outputs)];
      }
    }
  }
  return result;
}

}  // namespace bonsai
