// LASSO (Tibshirani 1996) on a Gram matrix, and with it the choice of exactly k columns:
//   min over beta of |y - Z beta|^2 / (2 M) + alpha |beta|_1,  Z [M, n], y [M]
// Channel pruning (He, Zhang and Sun 2017, section 3.1, equation 2) asks for few channels of which
// one column each says what the channel contributes. There M is samples times output channels,
// millions, and n a few hundred; but the problem depends on Z and y through Z'Z, Z'y and y'y alone.
// These are summed once over all samples, and a sweep over all coordinates then costs n^2,
// however many samples there were.
//
// Solved by cyclic coordinate descent (Friedman, Hastie and Tibshirani 2010, section 2.2, with
// their covariance updates) in a fixed order. Coefficients may have either sign, as in the paper.
// How good a solution is can be seen from it: it carries the violation of the optimality
// conditions and the duality gap.
#pragma once

#include <vector>

namespace bonsai {

struct LassoProblem {
  std::vector<double> gram;         // Z'Z [n, n], symmetric
  std::vector<double> correlation;  // Z'y [n]
  double square = 0;                // y'y
  double rows = 1;                  // M

  int size() const { return static_cast<int>(correlation.size()); }
};

struct LassoSolution {
  double alpha = 0;
  std::vector<double> beta = {};
  int sweeps = 0;        // over all coordinates or over those that are not zero
  double violation = 0;  // of the optimality conditions, in units of alpha: for beta[i] != 0 the
                         // largest |z_i'r / M - alpha sign(beta[i])|, for the others of
                         // |z_i'r| / M - alpha, with r = y - Z beta
  double gap = 0;        // objective less its dual bound: at most so far from the optimum
};

struct LassoOptions {
  double tolerance = 1e-12;  // of the violation, relative to the alpha from which on all is zero
  int max_sweeps = 10000;    // beyond, what has been reached is returned
};

// The smallest alpha at which beta = 0 is the solution: max |z_i'y| / M.
double largest_alpha(const LassoProblem& problem);

// `start`: where the descent begins; empty: at zero. Throws Error when sizes or signs do not fit.
LassoSolution solve_lasso(const LassoProblem& problem, double alpha, std::vector<double> start = {},
                          const LassoOptions& options = {});

struct LassoChoice {
  std::vector<int> kept;     // exactly k columns, ascending
  std::vector<int> ranking;  // all columns, the one that would be missed most first
  LassoSolution solution;    // at the alpha where the path ended
};

// Follows the solution from largest_alpha() down a geometric path, at most 200 steps, until at
// least k coefficients are not zero. The number of those is not monotone along the path and can
// jump over k, so a search for the alpha that gives k need not end; here the k that contribute
// most, by |beta_i| |z_i|, stay. Where even the end of the path has fewer (equal or empty
// columns), those follow that are closest to what is left of y, and of equal ones the first.
LassoChoice choose_by_lasso(const LassoProblem& problem, int k, const LassoOptions& options = {});

}  // namespace bonsai
