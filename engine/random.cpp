#include "engine/random.h"

#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

#include "engine/error.h"
#include "engine/simd.h"

namespace bonsai {
namespace {

using Counter = std::array<uint32_t, 4>;

// Ten rounds; the multipliers and key increments are the paper's (section 3.3, table 2).
Counter philox(Counter c, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * c[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ key[0], static_cast<uint32_t>(p1),
         static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ key[1], static_cast<uint32_t>(p0)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return c;
}

constexpr int lanes = 16;

// philox of `lanes` counters that differ in their first word, side by side.
BONSAI_SIMD void philox_lanes(Counter first, std::array<uint32_t, 2> key, uint32_t* numbers) {
  uint32_t c[4][lanes];
  for (uint32_t i = 0; i < lanes; ++i) {
    c[0][i] = first[0] + i;
    c[1][i] = first[1];
    c[2][i] = first[2];
    c[3][i] = first[3];
  }
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < lanes; ++i) {
      const uint64_t p0 = uint64_t{0xD2511F53} * c[0][i];
      const uint64_t p1 = uint64_t{0xCD9E8D57} * c[2][i];
      c[0][i] = static_cast<uint32_t>(p1 >> 32) ^ c[1][i] ^ key[0];
      c[1][i] = static_cast<uint32_t>(p1);
      c[2][i] = static_cast<uint32_t>(p0 >> 32) ^ c[3][i] ^ key[1];
      c[3][i] = static_cast<uint32_t>(p0);
    }
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  for (int i = 0; i < lanes; ++i) {
    for (int word = 0; word < 4; ++word) numbers[4 * i + word] = c[word][i];
  }
}

}  // namespace

// 24 bits of the purpose's word hold the upper half of `a`: enough for 2^56 samples or steps.
Random::Random(uint64_t seed, Purpose purpose, uint64_t a, uint32_t b)
    : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)},
      counter_{0, b, static_cast<uint32_t>(a),
               static_cast<uint32_t>(a >> 32) << 8 | static_cast<uint32_t>(purpose)} {}

void Random::fill(uint32_t* numbers, uint32_t blocks) {
  for (; blocks >= lanes; blocks -= lanes, numbers += 4 * lanes) {
    philox_lanes(counter_, key_, numbers);
    counter_[0] += lanes;
  }
  for (uint32_t i = 0; i < 4 * blocks; ++i) numbers[i] = next();
}

void Random::skip(uint32_t blocks) { counter_[0] += blocks; }

uint32_t Random::next() {
  if (used_ == 4) {
    block_ = philox(counter_, key_);
    ++counter_[0];
    used_ = 0;
  }
  return block_[static_cast<size_t>(used_++)];
}

uint32_t Random::below(uint32_t n) {
  require(n > 0, "random: a number below 0 was asked for");
  const uint32_t rejected = (0u - n) % n;  // 2^32 mod n: the values that would favour small results
  for (;;) {
    const uint32_t x = next();
    if (x >= rejected) return x % n;
  }
}

int Random::between(int low, int high) {
  return low + static_cast<int>(below(static_cast<uint32_t>(high - low + 1)));
}

float Random::uniform() { return static_cast<float>(next() >> 8) * 0x1p-24f; }

float Random::uniform(float low, float high) { return low + (high - low) * uniform(); }

float Random::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  const float radius = std::sqrt(-2 * std::log(1 - uniform()));
  const float angle = 2 * std::numbers::pi_v<float> * uniform();
  spare_ = radius * std::sin(angle);
  has_spare_ = true;
  return radius * std::cos(angle);
}

std::vector<int> permutation(int n, Random random) {
  std::vector<int> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  for (int i = n - 1; i > 0; --i) {
    std::swap(order[static_cast<size_t>(i)], order[random.below(static_cast<uint32_t>(i) + 1)]);
  }
  return order;
}

}  // namespace bonsai
