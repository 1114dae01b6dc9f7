// Where a rewritten graph leaves its original: rewrites keep the numbers of values, so every
// result of the rewritten one can be compared with the value of that number.
#pragma once

#include <algorithm>
#include <string>

#include "engine/error.h"
#include "engine/graph.h"

namespace bonsai {

// max |a - b| relative to the largest |b|.
inline double relative_difference(const Tensor& a, const Tensor& b) {
  const double scale = max_abs_difference(b, Tensor(b.shape(), 0));
  return max_abs_difference(a, b) / std::max(scale, 1e-30);
}

// sum of (a - b)^2. Throws Error when the shapes differ.
inline double square_distance(const Tensor& a, const Tensor& b) {
  require(a.shape() == b.shape(), "square_distance: tensors of different shapes");
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = double{a[i]} - double{b[i]};
    sum += d * d;
  }
  return sum;
}

// The first node whose result differs by more than `limit`, and by how much; empty: none.
inline std::string first_difference(Graph original, Graph rewritten, const Tensor& x,
                                    double limit) {
  for (size_t n = 0; n < rewritten.nodes.size(); ++n) {
    const std::vector<int> v{rewritten.nodes[n].out};
    const double d = relative_difference(taps(rewritten, x, v)[0], taps(original, x, v)[0]);
    if (!(d <= limit)) return join(rewritten.node_name(n), " differs by ", d);
  }
  return {};
}

inline Tensor run(Layer& layer, const Tensor& x) {
  Tape tape(Mode::inference);
  return layer.forward(tape.constant(x)).value().clone();
}

}  // namespace bonsai
