// Another number of threads for as long as it lives.
#pragma once

#include "engine/parallel.h"

namespace bonsai::test {

struct ThreadCount {
  explicit ThreadCount(int threads) { set_thread_count(threads); }
  ~ThreadCount() { set_thread_count(before); }
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;
  const int before = thread_count();
};

}  // namespace bonsai::test
