// Aligned memory for tensors. Buffers return to a process-wide cache instead of the system: fresh
// pages cost more than the arithmetic done on them, and a training step asks for the same sizes
// again and again, so that after the first step nothing is asked of the system.
#pragma once

#include <cstddef>
#include <memory>

namespace bonsai {

struct StorageStats {
  size_t live_bytes = 0;          // held by tensors now
  size_t peak_bytes = 0;          // the most held at once since reset_storage_peak()
  size_t cached_bytes = 0;        // free, kept for reuse
  size_t system_allocations = 0;  // how often the system was asked, ever
};

// At least `bytes` bytes aligned to 64, content unspecified. Any thread. Throws Error with the
// size when the system has no memory left, after giving the cache back.
std::shared_ptr<void> allocate_storage(size_t bytes);

StorageStats storage_stats();
void reset_storage_peak();
void release_cached_storage();  // gives the free buffers back to the system

}  // namespace bonsai
