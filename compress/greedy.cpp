// Greedy forward selection for least squares with several outputs, by blocks of columns: a Cholesky
// factorisation of X'X whose pivots are chosen as it goes. With L the columns factored so far,
// what remains of X'X and X'y after projecting them out is X'X - L L' and X'y less its share; a
// candidate with columns B would lower the squared error by
//   tr(r_B' (s_BB + ridge)^-1 r_B),  s = X'X - L L',  r = what remains of X'y
// s is kept for each candidate's own block only, and one block column of it is made when its
// candidate is taken, so that the cost is that of the factorisation of the chosen columns.
// Zhang 2009, "On the consistency of feature selection using greedy least squares regression".
#include <algorithm>
#include <numeric>

#include "compress/selection.h"
#include "engine/error.h"
#include "engine/kernels/lapack.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

size_t at(int row, int column, int stride) {
  return static_cast<size_t>(row) * static_cast<size_t>(stride) + static_cast<size_t>(column);
}

class Projection {
 public:
  Projection(const Reader& reader, int candidates)
      : m_(reader.regression.moments), blocks_(static_cast<size_t>(candidates)) {
    const Regression& regression = reader.regression;
    std::vector<int> fixed;
    for (int t = 0; t < regression.taps; ++t) {
      for (int i = 0; i < regression.channels; ++i) {
        const int candidate = reader.candidates[static_cast<size_t>(i)];
        std::vector<int>& columns =
            candidate < 0 ? fixed : blocks_[static_cast<size_t>(candidate)].columns;
        columns.push_back(t * regression.channels + i);
      }
    }
    double trace = 0;
    for (int c = 0; c < m_.columns; ++c) trace += m_.xx[at(c, c, m_.columns)];
    ridge_ = std::max(1e-4 * trace / m_.columns, 1e-30);
    rest_ = m_.xd;  // X'y = X'D + X'X w'
    dgemm(Transpose::no, Transpose::yes, m_.columns, m_.outputs, m_.columns, 1, m_.xx.data(),
          m_.columns, regression.w.data(), m_.columns, 1, rest_.data(), m_.outputs);
    for (Block& block : blocks_) {
      for (const int a : block.columns) {
        for (const int b : block.columns) block.gram.push_back(m_.xx[at(a, b, m_.columns)]);
      }
    }
    if (!fixed.empty()) project(fixed);
  }

  double gain(int candidate) const {
    const Block& block = blocks_[static_cast<size_t>(candidate)];
    const int b = static_cast<int>(block.columns.size());
    std::vector<double> l = block.gram;
    for (int i = 0; i < b; ++i) l[at(i, i, b)] += ridge_;
    if (b == 0 || !cholesky(b, l.data(), b)) return 0;
    std::vector<double> r = rows(rest_, block.columns, m_.outputs);
    solve_lower(b, l.data(), b, m_.outputs, r.data(), m_.outputs);
    return std::inner_product(r.begin(), r.end(), r.begin(), 0.0);
  }

  void take(int candidate) {
    const std::vector<int>& columns = blocks_[static_cast<size_t>(candidate)].columns;
    if (!columns.empty()) project(columns);
  }

 private:
  struct Block {
    std::vector<int> columns = {};
    std::vector<double> gram = {};  // what remains of their X'X
  };

  static std::vector<double> rows(const std::vector<double>& a, const std::vector<int>& which,
                                  int stride) {
    std::vector<double> part;
    for (const int i : which) {
      const double* row = a.data() + at(i, 0, stride);
      part.insert(part.end(), row, row + stride);
    }
    return part;
  }

  // Adds block columns to L (stored as its transpose, a row per factored column) and takes their
  // share off everything that is left.
  void project(const std::vector<int>& columns) {
    const int b = static_cast<int>(columns.size()), n = m_.columns, outputs = m_.outputs;
    std::vector<double> s = rows(m_.xx, columns, n);  // [b, n]: X'X is symmetric
    if (factored_ > 0) {
      std::vector<double> own(at(factored_, 0, b));  // L' of these columns [factored, b]
      for (int f = 0; f < factored_; ++f) {
        for (int i = 0; i < b; ++i) {
          own[at(f, i, b)] = l_[at(f, columns[static_cast<size_t>(i)], n)];
        }
      }
      dgemm(Transpose::yes, Transpose::no, b, n, factored_, -1, own.data(), b, l_.data(), n, 1,
            s.data(), n);
    }
    std::vector<double> pivot(at(b, 0, b));
    for (int i = 0; i < b; ++i) {
      for (int j = 0; j < b; ++j) {
        pivot[at(i, j, b)] = s[at(i, columns[static_cast<size_t>(j)], n)] + (i == j ? ridge_ : 0);
      }
    }
    require(cholesky(b, pivot.data(), b), "greedy: the samples of a layer are not finite");
    solve_lower(b, pivot.data(), b, n, s.data(), n);
    std::vector<double> r = rows(rest_, columns, outputs);
    solve_lower(b, pivot.data(), b, outputs, r.data(), outputs);
    dgemm(Transpose::yes, Transpose::no, n, outputs, b, -1, s.data(), n, r.data(), outputs, 1,
          rest_.data(), outputs);
    parallel_ranges(static_cast<int64_t>(blocks_.size()), 16, [&](int64_t begin, int64_t end) {
      for (int64_t k = begin; k < end; ++k) shrink(blocks_[static_cast<size_t>(k)], s, b);
    });
    l_.insert(l_.end(), s.begin(), s.end());
    factored_ += b;
  }

  void shrink(Block& block, const std::vector<double>& s, int b) const {
    size_t entry = 0;
    for (const int i : block.columns) {
      for (const int j : block.columns) {
        double share = 0;
        for (int f = 0; f < b; ++f) share += s[at(f, i, m_.columns)] * s[at(f, j, m_.columns)];
        block.gram[entry++] -= share;
      }
    }
  }

  const Moments& m_;
  std::vector<Block> blocks_;  // per candidate
  double ridge_ = 0;
  std::vector<double> rest_;  // what remains of X'y [columns, outputs]
  std::vector<double> l_;     // [factored, columns]
  int factored_ = 0;
};

}  // namespace

Ranking rank_greedily(const Candidates& candidates, int k) {
  struct Vote {
    Projection projection;
    double weight;
  };
  std::vector<Vote> votes;
  for (const std::span<const Reader> layer : candidates.layers) {
    const double square = response_square(layer);
    for (const Reader& reader : layer) {
      if (square > 0) votes.push_back({Projection(reader, candidates.count()), 1 / square});
    }
  }
  std::vector<int> left(static_cast<size_t>(candidates.count()));
  std::iota(left.begin(), left.end(), 0);
  Ranking ranking;
  for (int step = 0; step < k; ++step) {
    std::vector<double> gains(left.size());
    parallel_ranges(static_cast<int64_t>(left.size()), 4, [&](int64_t begin, int64_t end) {
      for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
        for (const Vote& vote : votes) gains[i] += vote.weight * vote.projection.gain(left[i]);
      }
    });
    const auto best = std::max_element(gains.begin(), gains.end()) - gains.begin();
    const int taken = left[static_cast<size_t>(best)];
    for (Vote& vote : votes) vote.projection.take(taken);
    ranking.order.push_back(taken);
    left.erase(left.begin() + best);
  }
  ranking.order.insert(ranking.order.end(), left.begin(), left.end());
  return ranking;
}

}  // namespace bonsai
