// Parallel loops: every chunk once, nested and concurrent loops, exceptions, thread counts.
#include "engine/ceil_div.h"
#include "engine/parallel.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "engine/error.h"
#include "tests/catch.h"

using namespace bonsai;

namespace {

// Restores the number of threads at the end of a test.
struct KeepThreads {
  int before = thread_count();
  ~KeepThreads() { set_thread_count(before); }
};

// 1 + 1/2 + ... + 1/n in a fixed split.
double chunked_sum(int64_t n) {
  const int64_t grain = 1000;
  std::vector<double> parts(static_cast<size_t>(ceil_div(n, grain)));
  parallel_ranges(n, grain, [&](int64_t begin, int64_t end) {
    double sum = 0;
    for (int64_t i = begin; i < end; ++i) sum += 1 / (1.0 + static_cast<double>(i));
    parts[static_cast<size_t>(begin / grain)] = sum;
  });
  double sum = 0;
  for (const double part : parts) sum += part;
  return sum;
}

}  // namespace

TEST_CASE("every chunk runs once", "[threads]") {
  const KeepThreads keep;
  for (const int threads : {1, 2, 3, 8}) {
    set_thread_count(threads);
    CHECK(thread_count() == threads);
    for (const int chunks : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> runs(static_cast<size_t>(chunks));
      parallel_chunks(chunks, [&](int64_t c) { ++runs[static_cast<size_t>(c)]; });
      for (const auto& n : runs) REQUIRE(n == 1);
    }
  }
}

TEST_CASE("ranges cover all, in pieces of the grain", "[threads]") {
  std::vector<int> hits(103, 0);
  parallel_ranges(103, 10, [&](int64_t begin, int64_t end) {
    if (begin % 10 != 0 || end - begin != (begin == 100 ? 3 : 10)) throw Error("bad range");
    for (int64_t i = begin; i < end; ++i) ++hits[static_cast<size_t>(i)];
  });
  CHECK(hits == std::vector<int>(103, 1));
  parallel_ranges(0, 10, [](int64_t, int64_t) { throw Error("called for nothing"); });
  std::atomic<int> calls{0};
  parallel_ranges(2, 0, [&](int64_t, int64_t) { ++calls; });  // a grain of nothing counts as one
  CHECK(calls == 2);
}

TEST_CASE("sums have the same bits for any number of threads", "[threads]") {
  const KeepThreads keep;
  set_thread_count(1);
  const double expected = chunked_sum(123457);
  for (const int threads : {2, 3, 5}) {
    set_thread_count(threads);
    for (int repeat = 0; repeat < 20; ++repeat) REQUIRE(chunked_sum(123457) == expected);
  }
}

TEST_CASE("a loop inside a loop runs every chunk once, whoever helps", "[threads]") {
  const KeepThreads keep;
  for (const int threads : {1, 2, 3, 8}) {
    set_thread_count(threads);
    for (int repeat = 0; repeat < 20; ++repeat) {
      std::vector<std::atomic<int>> cells(5 * 30);
      parallel_chunks(5, [&](int64_t i) {
        parallel_chunks(30, [&](int64_t j) { ++cells[static_cast<size_t>(i * 30 + j)]; });
      });
      for (const auto& n : cells) REQUIRE(n == 1);
    }
  }
}

// The first chunk repeats its inner loop until somebody helps, who has nothing else to do: a few
// repeats suffice unless nobody ever does.
TEST_CASE("idle threads help with a loop inside a loop", "[threads]") {
  const KeepThreads keep;
  for (const int threads : {2, 4}) {
    set_thread_count(threads);
    std::atomic<bool> helped{false};
    parallel_chunks(2, [&](int64_t i) {
      const auto own = std::this_thread::get_id();
      for (int tries = 0; i == 0 && !helped && tries < 5'000'000; ++tries) {
        parallel_chunks(8, [&](int64_t) { helped = helped || std::this_thread::get_id() != own; });
      }
    });
    CHECK(helped);
  }
}

TEST_CASE("a loop in a loop inside a loop runs in place", "[threads]") {
  const KeepThreads keep;
  set_thread_count(3);
  std::vector<std::atomic<int>> cells(4 * 5 * 6);
  std::atomic<bool> moved{false};
  parallel_chunks(4, [&](int64_t i) {
    parallel_chunks(5, [&](int64_t j) {
      const auto outer = std::this_thread::get_id();
      parallel_chunks(6, [&](int64_t k) {
        if (std::this_thread::get_id() != outer) moved = true;
        ++cells[static_cast<size_t>((i * 5 + j) * 6 + k)];
      });
    });
  });
  CHECK_FALSE(moved);
  for (const auto& n : cells) REQUIRE(n == 1);
}

TEST_CASE("an exception in a chunk reaches the caller, and the pool goes on", "[threads]") {
  const KeepThreads keep;
  for (const int threads : {1, 2, 4}) {
    set_thread_count(threads);
    for (int repeat = 0; repeat < 20; ++repeat) {
      std::string text;
      try {
        parallel_chunks(50, [](int64_t c) { require(c != 33, "chunk ", c); });
      } catch (const Error& error) {
        text = error.what();
      }
      REQUIRE(text == "chunk 33");
      std::atomic<int> runs{0};
      parallel_chunks(50, [&](int64_t) { ++runs; });
      REQUIRE(runs == 50);
    }
  }
}

TEST_CASE("an exception in an inner chunk ends its own loop and reaches the caller", "[threads]") {
  const KeepThreads keep;
  for (const int threads : {1, 2, 4}) {
    set_thread_count(threads);
    for (int repeat = 0; repeat < 20; ++repeat) {
      std::atomic<int> caught{0};
      CHECK_THROWS_WITH(parallel_chunks(3,
                                        [&](int64_t i) {
                                          try {
                                            parallel_chunks(9, [&](int64_t j) {
                                              require(i != 1 || j != 4, "chunk ", i, ", ", j);
                                            });
                                          } catch (const Error&) {
                                            ++caught;
                                            throw;
                                          }
                                        }),
                        "chunk 1, 4");
      REQUIRE(caught == 1);
    }
  }
}

TEST_CASE("several threads may run loops at once", "[threads]") {
  const KeepThreads keep;
  set_thread_count(2);
  const double expected = chunked_sum(50001);
  std::vector<std::thread> callers;
  std::atomic<int> right{0};
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&] {
      for (int repeat = 0; repeat < 50; ++repeat) right += chunked_sum(50001) == expected;
    });
  }
  for (std::thread& t : callers) t.join();
  CHECK(right == 200);
}

TEST_CASE("the number of threads is checked", "[threads]") {
  const KeepThreads keep;
  CHECK(thread_count() >= 1);
  CHECK_THROWS_AS(set_thread_count(0), Error);
  CHECK_THROWS_AS(set_thread_count(-1), Error);
  CHECK_THROWS_AS(set_thread_count(100000), Error);
  set_thread_count(2);
  CHECK_THROWS_AS(parallel_chunks(4, [](int64_t) { set_thread_count(3); }), Error);
  CHECK(thread_count() == 2);
}

TEST_CASE("scratch is a thread's own and is kept", "[threads]") {
  const KeepThreads keep;
  set_thread_count(3);
  int* first = thread_scratch<int>(2, 100);
  CHECK(thread_scratch<int>(2, 50) == first);
  CHECK(thread_scratch<int>(3, 100) != first);
  std::atomic<int> wrong{0};
  parallel_chunks(300, [&](int64_t c) {
    int* mine = thread_scratch<int>(2, 1000);
    for (int i = 0; i < 1000; ++i) mine[i] = static_cast<int>(c);
    for (int i = 0; i < 1000; ++i) wrong += mine[i] != static_cast<int>(c);
  });
  CHECK(wrong == 0);
}
