#include "engine/storage.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <limits>
#include <map>
#include <mutex>
#include <new>
#include <vector>

#ifdef __linux__
#include <sys/mman.h>
#endif

#include "engine/ceil_div.h"
#include "engine/error.h"

namespace bonsai {
namespace {

constexpr size_t small_alignment = 64;
constexpr size_t huge_page = size_t{2} << 20;

// Rounds up to one of eight steps per power of two: at most 12.5 % is wasted, and buffers of
// nearly equal size (a pruned layer's, an odd last batch's) share a list. Returns 0 for sizes that
// no machine has.
size_t size_class(size_t bytes) {
  if (bytes > std::numeric_limits<size_t>::max() / 4) return 0;
  bytes = std::max<size_t>(bytes, 256);
  const size_t step = std::bit_ceil(bytes) / 16;
  return ceil_div(bytes, step) * step;
}

void* system_allocate(size_t bytes) {
  const bool huge = bytes >= huge_page;
  const size_t alignment = huge ? huge_page : small_alignment;
  void* memory = std::aligned_alloc(alignment, ceil_div(bytes, alignment) * alignment);
#ifdef __linux__
  // A 2 MiB page is one fault where small pages are 512.
  if (huge && memory != nullptr) madvise(memory, bytes, MADV_HUGEPAGE);
#endif
  return memory;
}

class Cache {
 public:
  // Sets `bytes` to the size of what is found, which may be up to a quarter larger: the gradients
  // of a step then take the place of values that are freed before them, though a dense network's
  // all differ in width.
  void* take(size_t& bytes) {
    {
      const std::lock_guard lock(mutex_);
      auto list = free_.lower_bound(bytes);
      while (list != free_.end() && list->second.empty()) ++list;
      const bool found = list != free_.end() && list->first <= bytes + bytes / 4;
      if (found) bytes = list->first;
      stats_.live_bytes += bytes;
      stats_.peak_bytes = std::max(stats_.peak_bytes, stats_.live_bytes);
      if (found) {
        void* memory = list->second.back();
        list->second.pop_back();
        stats_.cached_bytes -= bytes;
        return memory;
      }
      ++stats_.system_allocations;
    }
    void* memory = system_allocate(bytes);
    if (memory == nullptr) {
      release();
      memory = system_allocate(bytes);
    }
    if (memory == nullptr) {
      const std::lock_guard lock(mutex_);
      stats_.live_bytes -= bytes;
    }
    return memory;
  }

  void give_back(void* memory, size_t bytes) noexcept {
    const std::lock_guard lock(mutex_);
    stats_.live_bytes -= bytes;
    try {
      free_[bytes].push_back(memory);
      stats_.cached_bytes += bytes;
    } catch (const std::bad_alloc&) {
      std::free(memory);
    }
  }

  void release() {
    const std::lock_guard lock(mutex_);
    for (auto& [bytes, list] : free_) {
      for (void* memory : list) std::free(memory);
      list.clear();
    }
    stats_.cached_bytes = 0;
  }

  StorageStats stats() {
    const std::lock_guard lock(mutex_);
    return stats_;
  }

  void reset_peak() {
    const std::lock_guard lock(mutex_);
    stats_.peak_bytes = stats_.live_bytes;
  }

 private:
  std::mutex mutex_;
  std::map<size_t, std::vector<void*>> free_;  // by size
  StorageStats stats_;
};

// Never destroyed: tensors with static lifetime may outlive any static cache.
Cache& cache() {
  static Cache* const instance = new Cache;
  return *instance;
}

}  // namespace

std::shared_ptr<void> allocate_storage(size_t bytes) {
  size_t rounded = size_class(bytes);
  void* memory = rounded < bytes ? nullptr : cache().take(rounded);
  require(memory != nullptr, "out of memory: a buffer of ", bytes, " bytes was asked for");
  return {memory, [rounded](void* buffer) { cache().give_back(buffer, rounded); }};
}

StorageStats storage_stats() { return cache().stats(); }
void reset_storage_peak() { cache().reset_peak(); }
void release_cached_storage() { cache().release(); }

}  // namespace bonsai
