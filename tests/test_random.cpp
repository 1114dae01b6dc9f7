// Philox against the known answers of its authors, and what numbers drawn from it must be.
#include "engine/random.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/error.h"
#include "tests/catch.h"

using namespace bonsai;

TEST_CASE("Philox gives the known answers") {
  Random zeros(0, Purpose::init);  // counter 0, key 0
  for (const uint32_t expected : {0x6627e8d5U, 0xe169c58dU, 0xbc57ac4cU, 0x9b00dbd8U}) {
    CHECK(zeros.next() == expected);
  }
  // Counter and key all ones.
  Random ones(~uint64_t{0}, static_cast<Purpose>(0xff), ~uint64_t{0} >> 8, ~uint32_t{0});
  ones.skip(~uint32_t{0});
  for (const uint32_t expected : {0x408f276dU, 0x41c83b0eU, 0xa20bc7c6U, 0x6d5451fdU}) {
    CHECK(ones.next() == expected);
  }
}

TEST_CASE("every part of an address matters") {
  const std::vector<uint32_t> first = {Random(1, Purpose::init).next(),
                                       Random(2, Purpose::init).next(),
                                       Random(1, Purpose::shuffle).next(),
                                       Random(1, Purpose::init, 1).next(),
                                       Random(1, Purpose::init, 0, 1).next(),
                                       Random(uint64_t{1} << 40, Purpose::init).next(),
                                       Random(1, Purpose::init, uint64_t{1} << 40).next()};
  for (size_t i = 0; i < first.size(); ++i) {
    for (size_t j = 0; j < i; ++j) CHECK(first[i] != first[j]);
  }
}

TEST_CASE("a stream can be entered in the middle") {
  Random whole(5, Purpose::test, 3, 4), part(5, Purpose::test, 3, 4);
  std::vector<uint32_t> numbers;
  for (int i = 0; i < 48; ++i) numbers.push_back(whole.next());
  part.skip(10);
  std::vector<uint32_t> filled(48);
  Random(5, Purpose::test, 3, 4).fill(filled.data(), 12);
  CHECK(filled == numbers);
  filled.resize(4 * 50);  // in several portions
  Random portions(5, Purpose::test, 3, 4), one_by_one(5, Purpose::test, 3, 4);
  portions.fill(filled.data(), 17);
  portions.fill(filled.data() + 4 * 17, 33);
  for (const uint32_t number : filled) REQUIRE(number == one_by_one.next());
  for (size_t i = 40; i < 48; ++i) CHECK(part.next() == numbers[i]);
}

TEST_CASE("whole numbers are in range and evenly spread") {
  Random random(1, Purpose::test);
  std::vector<int> count(7, 0);
  for (int i = 0; i < 70000; ++i) ++count.at(random.below(7));
  for (const int n : count) CHECK(std::abs(n - 10000) < 5 * 93);  // 5 standard deviations
  int low = 100, high = -100;
  for (int i = 0; i < 1000; ++i) {
    const int x = random.between(-3, 3);
    low = std::min(low, x);
    high = std::max(high, x);
  }
  CHECK(low == -3);
  CHECK(high == 3);
  CHECK(random.below(1) == 0);
  CHECK_THROWS_AS(random.below(0), Error);
}

TEST_CASE("real numbers have the moments of their distribution") {
  Random random(2, Purpose::test);
  const int n = 100000;
  double uniform = 0, mean = 0, square = 0, fourth = 0;
  float least = 1, most = 0;
  for (int i = 0; i < n; ++i) {
    const float u = random.uniform();
    uniform += u;
    least = std::min(least, u);
    most = std::max(most, u);
    const double z = random.normal();
    mean += z;
    square += z * z;
    fourth += z * z * z * z;
  }
  CHECK(least >= 0);
  CHECK(most < 1);
  const double sigma = 5 / std::sqrt(static_cast<double>(n));
  CHECK(std::abs(uniform / n - 0.5) < sigma * std::sqrt(1 / 12.0));
  CHECK(std::abs(mean / n) < sigma);
  CHECK(std::abs(square / n - 1) < sigma * std::sqrt(2.0));
  CHECK(std::abs(fourth / n - 3) < sigma * std::sqrt(96.0));
}

TEST_CASE("a permutation holds every number once") {
  std::vector<int> order = permutation(1000, Random(3, Purpose::test));
  CHECK(order == permutation(1000, Random(3, Purpose::test)));
  CHECK(order != permutation(1000, Random(4, Purpose::test)));
  int fixed = 0;
  for (int i = 0; i < 1000; ++i) fixed += order[static_cast<size_t>(i)] == i;
  CHECK(fixed < 8);  // one is expected
  std::sort(order.begin(), order.end());
  for (int i = 0; i < 1000; ++i) REQUIRE(order[static_cast<size_t>(i)] == i);
  CHECK(permutation(0, Random(3, Purpose::test)).empty());
}
