// A LASSO of random numbers with its solution, for what should find it by another way:
//   min over x of |Ax - b|^2 / (2 M) + alpha |x|_1
#pragma once

#include <cmath>
#include <vector>

#include "compress/lasso.h"
#include "engine/random.h"
#include "engine/tensor.h"

namespace bonsai::testing {

struct LassoCase {
  LassoCase() {
    Random random(3, Purpose::test);
    std::vector<double> a(rows * columns), b(rows);
    for (double& x : a) x = double{random.normal()};
    for (size_t r = 0; r < rows; ++r) {
      b[r] = 2 * a[r * columns] - a[r * columns + 3] + double{random.normal()};
      problem.square += b[r] * b[r];
      for (size_t i = 0; i < columns; ++i) {
        problem.correlation[i] += a[r * columns + i] * b[r];
        for (size_t j = 0; j < columns; ++j) {
          problem.gram[i * columns + j] += a[r * columns + i] * a[r * columns + j];
        }
      }
    }
    alpha = 0.2 * largest_alpha(problem);
    solution = solve_lasso(problem, alpha).beta;
  }

  // Of the part with the squares.
  Tensor gradient(const Tensor& x) const {
    Tensor slope({static_cast<int>(columns)});
    for (size_t i = 0; i < columns; ++i) {
      double sum = -problem.correlation[i];
      for (size_t j = 0; j < columns; ++j) sum += problem.gram[i * columns + j] * double{x[j]};
      slope[i] = static_cast<Scalar>(sum / rows);
    }
    return slope;
  }

  double objective(const Tensor& x) const {
    double squares = problem.square, magnitudes = 0;
    for (size_t i = 0; i < columns; ++i) {
      magnitudes += std::abs(double{x[i]});
      squares -= 2 * problem.correlation[i] * double{x[i]};
      for (size_t j = 0; j < columns; ++j) {
        squares += problem.gram[i * columns + j] * double{x[i]} * double{x[j]};
      }
    }
    return squares / (2.0 * rows) + alpha * magnitudes;
  }

  static constexpr size_t rows = 40, columns = 12;
  LassoProblem problem{.gram = std::vector<double>(columns * columns),
                       .correlation = std::vector<double>(columns),
                       .square = 0,
                       .rows = rows};
  double alpha = 0;
  std::vector<double> solution;
};

}  // namespace bonsai::testing
