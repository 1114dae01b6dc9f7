// Loops over a fixed number of chunks, shared by a small pool of threads. How the work is cut
// depends on the caller alone, never on the number of threads: a result that is written by one
// chunk, or summed per chunk and then added up in chunk order, has the same bits on any machine.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "engine/ceil_div.h"

namespace bonsai {

int thread_count();  // at first: one per processor that this process may use
void set_thread_count(int threads);

namespace detail {
using ChunkCall = void (*)(const void* body, int64_t chunk);
void run_chunks(int64_t chunks, ChunkCall call, const void* body);
}  // namespace detail

// body(chunk) for chunk in [0, chunks), in any order, on several threads. Returns when all are
// done. An exception in a chunk is thrown here after the others have ended. Inside a chunk the loop
// runs on the calling thread and those that have nothing left of the outer loop; in a loop within
// that one, and while another thread is in a parallel loop, on the calling thread alone.
template <class Body>
void parallel_chunks(int64_t chunks, const Body& body) {
  detail::run_chunks(
      chunks, [](const void* b, int64_t chunk) { (*static_cast<const Body*>(b))(chunk); }, &body);
}

// body(begin, end) for [0, n) cut into ranges of `grain` (the last may be shorter).
template <class Body>
void parallel_ranges(int64_t n, int64_t grain, const Body& body) {
  grain = std::max<int64_t>(grain, 1);
  parallel_chunks(ceil_div(n, grain),
                  [&](int64_t chunk) { body(chunk * grain, std::min(n, (chunk + 1) * grain)); });
}

// A buffer of at least n elements of T that belongs to the calling thread, kept from call to
// call, content unspecified. `slot` tells apart the buffers that one kernel uses at a time.
void* thread_scratch(int slot, size_t bytes);
template <class T>
T* thread_scratch(int slot, size_t n) {
  return static_cast<T*>(thread_scratch(slot, n * sizeof(T)));
}

}  // namespace bonsai
