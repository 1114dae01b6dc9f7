// Lookahead (Zhang et al. 2019, arXiv:1907.08610): slow weights follow those that the optimiser
// moves, which every few steps go on from there. As in Jordan 2024 (arXiv:2404.00498), the slow
// ones follow closely at first and ever less towards the end, after step t of T (from 1):
//   slow += (1 - d) (w - slow);  w = slow;   d = 0.95^k (t / T)^3, every k steps
// and after the last step w = slow. Buffers (running statistics) go along.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/tape.h"

namespace bonsai {

class Lookahead {
 public:
  // Begins with the parameters as they are, which must outlive this.
  Lookahead(std::vector<Parameter*> parameters, int every);

  void update(int64_t step, int64_t total);  // after optimiser step number `step`, counted from 0

  // The slow weights by the names of their parameters; memory is shared.
  std::vector<std::pair<std::string, Tensor>> state() const;

 private:
  std::vector<Parameter*> parameters_;
  std::vector<Tensor> slow_;
  int every_;
};

}  // namespace bonsai
