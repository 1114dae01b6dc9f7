// Randomness without a stream: Philox4x32-10, a counter-based generator (Salmon et al. 2011,
// "Parallel Random Numbers: As Easy as 1, 2, 3"). A number depends only on its address (seed,
// purpose, a, b) and its position, so no order of work and no number of threads can change it,
// and a resumed run has no generator state to restore.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace bonsai {

enum class Purpose : uint32_t { init, shuffle, augment, dropout, picture, split, choice, test };

class Random {
 public:
  // `a` and `b` say which of many: an epoch and a sample, a step and a node, ...
  Random(uint64_t seed, Purpose purpose, uint64_t a = 0, uint32_t b = 0);

  // The next 4 * blocks numbers at once, in the order of next() and several times as fast. Only
  // before the first number is drawn or after a multiple of four.
  void fill(uint32_t* numbers, uint32_t blocks);
  // Leaves out as many, so that parts of one stream can be drawn apart.
  void skip(uint32_t blocks);

  uint32_t next();
  uint32_t below(uint32_t n);            // uniform in 0 .. n-1, n > 0, without bias
  int between(int low, int high);        // uniform in low .. high, both included
  float uniform();                       // [0, 1)
  float uniform(float low, float high);  // [low, high)
  float normal();                        // mean 0, variance 1 (Box-Muller)
  bool chance(float probability) { return uniform() < probability; }

 private:
  std::array<uint32_t, 2> key_;
  std::array<uint32_t, 4> counter_;
  std::array<uint32_t, 4> block_{};
  int used_ = 4;
  bool has_spare_ = false;
  float spare_ = 0;
};

// 0 .. n-1 in random order (Fisher-Yates).
std::vector<int> permutation(int n, Random random);

}  // namespace bonsai
