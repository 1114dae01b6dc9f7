// The cached allocator and the tensors that live in it.
#include "engine/storage.h"

#include <cstdint>
#include <limits>
#include <thread>
#include <vector>

#include "engine/error.h"
#include "engine/tensor.h"
#include "tests/catch.h"
#include "tests/error_of.h"

using namespace bonsai;

TEST_CASE("memory is aligned, counted and used again") {
  release_cached_storage();  // a buffer of another test's might serve, a quarter larger
  const StorageStats before = storage_stats();
  const void* address = nullptr;
  for (int repeat = 0; repeat < 3; ++repeat) {
    const auto memory = allocate_storage(100000);
    CHECK(reinterpret_cast<uintptr_t>(memory.get()) % 64 == 0);
    CHECK(storage_stats().live_bytes >= before.live_bytes + 100000);
    CHECK(storage_stats().live_bytes <= before.live_bytes + 112500);  // an eighth at most is lost
    if (repeat > 0) CHECK(memory.get() == address);
    address = memory.get();
  }
  CHECK(storage_stats().live_bytes == before.live_bytes);
  CHECK(storage_stats().system_allocations <= before.system_allocations + 1);
}

TEST_CASE("a buffer that is a little larger serves as well, one that is much larger does not") {
  release_cached_storage();
  const void* address = nullptr;
  {
    const auto memory = allocate_storage(120000);
    address = memory.get();
  }
  const size_t live = storage_stats().live_bytes;
  {
    const auto smaller = allocate_storage(100000);
    CHECK(smaller.get() == address);
    CHECK(storage_stats().live_bytes >= live + 120000);  // counted as what it is
  }
  CHECK(storage_stats().live_bytes == live);
  CHECK(allocate_storage(80000).get() != address);
}

TEST_CASE("the peak is the most that was held at once") {
  release_cached_storage();  // larger buffers that are kept would be taken, and count as they are
  reset_storage_peak();
  const size_t start = storage_stats().live_bytes;
  {
    const auto a = allocate_storage(1 << 20);
    const auto b = allocate_storage(1 << 20);
  }
  { const auto c = allocate_storage(1 << 20); }
  CHECK(storage_stats().peak_bytes == start + (2 << 20));
  reset_storage_peak();
  CHECK(storage_stats().peak_bytes == storage_stats().live_bytes);
}

TEST_CASE("cached memory can be given back") {
  { const auto memory = allocate_storage(12345678); }
  CHECK(storage_stats().cached_bytes >= 12345678);
  release_cached_storage();
  CHECK(storage_stats().cached_bytes == 0);
}

TEST_CASE("memory that does not exist is refused with its size") {
  const size_t live = storage_stats().live_bytes;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they stop the program
  CHECK(error_of([] { allocate_storage(size_t{1} << 60); }) ==
        "out of memory: a buffer of 1152921504606846976 bytes was asked for");
#endif
  CHECK_THROWS_AS(allocate_storage(std::numeric_limits<size_t>::max()), Error);
  CHECK(storage_stats().live_bytes == live);
}

TEST_CASE("several threads may allocate", "[threads]") {
  const size_t live = storage_stats().live_bytes;
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (size_t i = 0; i < 200; ++i) {
        const Tensor a({static_cast<int>(100 + (i * 37 + t) % 1000)}, static_cast<Scalar>(t));
        const Tensor b = a.clone();
        if (b[b.size() - 1] != static_cast<Scalar>(t)) throw Error("memory is shared");
      }
    });
  }
  for (std::thread& t : threads) t.join();
  CHECK(storage_stats().live_bytes == live);
}

TEST_CASE("a tensor's copies share memory, clones do not") {
  const Tensor a = Tensor::of({2, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor shared = a, flat = a.reshape({6}), copy = a.clone();
  a[4] = 50;
  CHECK(shared[4] == 50);
  CHECK(flat[4] == 50);
  CHECK(copy[4] == 5);
  CHECK(flat.shape() == Shape{6});
  CHECK(a.dim(-1) == 3);
  CHECK(a.rank() == 2);
  CHECK(Tensor({1}, 7).item() == 7);
  CHECK(max_abs_difference(a, copy) == 45);
  copy.copy_from(a);
  CHECK(max_abs_difference(a, copy) == 0);
  CHECK_FALSE(Tensor().defined());
  CHECK(element_count({}) == 1);
  CHECK(element_count({3, 0, 2}) == 0);
}

TEST_CASE("not a number is far from every number") {
  const Tensor a({2}, 1), b({2}, 1);
  b[1] = std::numeric_limits<Scalar>::quiet_NaN();
  CHECK(max_abs_difference(a, b) == std::numeric_limits<double>::infinity());
}

TEST_CASE("tensors refuse what does not fit") {
  const Tensor a({2, 3});
  CHECK_THROWS_AS(a.reshape({5}), Error);
  CHECK_THROWS_AS(a.dim(2), Error);
  CHECK_THROWS_AS(a.item(), Error);
  CHECK_THROWS_AS(a.copy_from(Tensor({3, 2})), Error);
  CHECK_THROWS_AS(max_abs_difference(a, Tensor({6})), Error);
  CHECK_THROWS_AS(Tensor::of({2}, {1, 2, 3}), Error);
  CHECK_THROWS_AS(element_count({2, -1}), Error);
  const int most = std::numeric_limits<int>::max();
  CHECK_THROWS_AS(element_count({most, most, most}), Error);
}
