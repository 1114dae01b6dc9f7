// The chunks of a loop, as the threads take them.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <utility>

#include "engine/parallel.h"

namespace bonsai {

// What the first chunk threw that failed.
class Failure {
 public:
  void keep(std::exception_ptr thrown) {
    const std::lock_guard lock(mutex_);
    if (!first_) first_ = std::move(thrown);
  }

  // When all chunks have ended.
  void rethrow() {
    if (first_) std::rethrow_exception(std::exchange(first_, nullptr));
  }

 private:
  std::mutex mutex_{};
  std::exception_ptr first_{};
};

// Those from `next` on that no other thread takes meanwhile, one after the other.
inline void take_chunks(std::atomic<int64_t>& next, int64_t end, detail::ChunkCall call,
                        const void* body, Failure& failure) {
  for (;;) {
    const int64_t chunk = next.fetch_add(1, std::memory_order_relaxed);
    if (chunk >= end) return;
    try {
      call(body, chunk);
    } catch (...) {
      failure.keep(std::current_exception());
    }
  }
}

}  // namespace bonsai
