#include "tests/allocations.h"

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<size_t> calls, live, peak;

void* counted(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  ++calls;
  const size_t now = live += malloc_usable_size(memory);
  size_t before = peak;
  while (now > before && !peak.compare_exchange_weak(before, now)) {
  }
  return memory;
}

void give_back(void* memory) {
  live -= malloc_usable_size(memory);
  std::free(memory);
}

void* aligned(size_t bytes, std::align_val_t alignment) {
  const auto a = static_cast<size_t>(alignment);
  return std::aligned_alloc(a, (bytes + a - 1) / a * a);
}

}  // namespace

Allocations allocations() { return {calls, live, peak}; }
void reset_peak_allocations() { peak = live.load(); }

void* operator new(size_t bytes) { return counted(std::malloc(bytes > 0 ? bytes : 1)); }
void* operator new[](size_t bytes) { return counted(std::malloc(bytes > 0 ? bytes : 1)); }
void* operator new(size_t bytes, std::align_val_t a) { return counted(aligned(bytes, a)); }
void* operator new[](size_t bytes, std::align_val_t a) { return counted(aligned(bytes, a)); }
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  void* memory = std::malloc(bytes > 0 ? bytes : 1);
  return memory == nullptr ? nullptr : counted(memory);
}
void* operator new[](size_t bytes, const std::nothrow_t& quiet) noexcept {
  return operator new(bytes, quiet);
}
void operator delete(void* p) noexcept { give_back(p); }
void operator delete[](void* p) noexcept { give_back(p); }
void operator delete(void* p, size_t) noexcept { give_back(p); }
void operator delete[](void* p, size_t) noexcept { give_back(p); }
void operator delete(void* p, std::align_val_t) noexcept { give_back(p); }
void operator delete[](void* p, std::align_val_t) noexcept { give_back(p); }
void operator delete(void* p, size_t, std::align_val_t) noexcept { give_back(p); }
void operator delete[](void* p, size_t, std::align_val_t) noexcept { give_back(p); }
