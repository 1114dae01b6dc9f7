#include "engine/inner_loop.h"

#include "engine/pause.h"

namespace bonsai {

void InnerLoop::run(int64_t chunks, detail::ChunkCall call, const void* body) {
  call_ = call;
  body_ = body;
  next_.store(0, std::memory_order_relaxed);
  end_.store(chunks, std::memory_order_relaxed);
  state_.store(open, std::memory_order_release);
  drain();
  state_.fetch_and(~open, std::memory_order_acq_rel);
  for (unsigned i = 1; state_.load(std::memory_order_acquire) != 0; ++i) pause_or_yield(i);
  failure_.rethrow();
}

bool InnerLoop::help() {
  uint32_t state = state_.load(std::memory_order_acquire);
  if ((state & open) == 0) return false;
  if (next_.load(std::memory_order_relaxed) >= end_.load(std::memory_order_relaxed)) return false;
  // Counted as a helper of an open loop, it has that loop's body: the next one has to wait for it.
  if (!state_.compare_exchange_strong(state, state + 1, std::memory_order_acq_rel)) return false;
  drain();
  state_.fetch_sub(1, std::memory_order_acq_rel);
  return true;
}

void InnerLoop::drain() {
  take_chunks(next_, end_.load(std::memory_order_relaxed), call_, body_, failure_);
}

}  // namespace bonsai
