// A loop inside a chunk of a parallel loop: its thread's own, but open to threads that have nothing
// left of the outer loop and would only wait for its last chunks.
#pragma once

#include <atomic>
#include <cstdint>

#include "engine/chunks.h"

namespace bonsai {

// In cache lines of its own, since its thread counts in it.
class alignas(64) InnerLoop {
 public:
  // By the thread whose loop it is, one at a time: all chunks, each by this thread or by one that
  // helps. An exception in a chunk is thrown here after the others have ended.
  void run(int64_t chunks, detail::ChunkCall call, const void* body);

  // By any other thread: takes chunks until none is left. False if there was none to take.
  bool help();

 private:
  void drain();

  static constexpr uint32_t open = uint32_t{1} << 31;

  std::atomic<uint32_t> state_{0};  // open or not, and how many threads help
  std::atomic<int64_t> next_{0}, end_{0};
  detail::ChunkCall call_ = nullptr;
  const void* body_ = nullptr;
  Failure failure_{};
};

}  // namespace bonsai
