// What a thread does between two looks at what it waits for.
#pragma once

#include <thread>

namespace bonsai {

inline void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// The i-th time, i from 1: now and then somebody else has the processor, who may be waited for.
inline void pause_or_yield(unsigned i) {
  i % 256 == 0 ? std::this_thread::yield() : pause_briefly();
}

}  // namespace bonsai
