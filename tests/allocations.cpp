#include "tests/allocations.h"

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "engine/ceil_div.h"

namespace {

std::atomic<size_t> calls, live, peak;

void* counted(void* memory) noexcept {
  if (memory == nullptr) return nullptr;
  ++calls;
  const size_t now = live += malloc_usable_size(memory);
  size_t before = peak;
  while (now > before && !peak.compare_exchange_weak(before, now)) {
  }
  return memory;
}

void* counted_or_throw(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  return counted(memory);
}

void give_back(void* memory) {
  live -= malloc_usable_size(memory);
  std::free(memory);
}

void* aligned(size_t bytes, std::align_val_t alignment) {
  const auto a = static_cast<size_t>(alignment);
  return std::aligned_alloc(a, bonsai::ceil_div(bytes, a) * a);
}

}  // namespace

Allocations allocations() { return {calls, live, peak}; }
void reset_peak_allocations() { peak = live.load(); }

// All forms, so that no block is taken by one allocator and returned to another.
void* operator new(size_t n) { return counted_or_throw(std::malloc(n > 0 ? n : 1)); }
void* operator new[](size_t n) { return counted_or_throw(std::malloc(n > 0 ? n : 1)); }
void* operator new(size_t n, std::align_val_t a) { return counted_or_throw(aligned(n, a)); }
void* operator new[](size_t n, std::align_val_t a) { return counted_or_throw(aligned(n, a)); }
void* operator new(size_t n, const std::nothrow_t&) noexcept {
  return counted(std::malloc(n > 0 ? n : 1));
}
void* operator new[](size_t n, const std::nothrow_t&) noexcept {
  return counted(std::malloc(n > 0 ? n : 1));
}
void* operator new(size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return counted(aligned(n, a));
}
void* operator new[](size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return counted(aligned(n, a));
}
void operator delete(void* p) noexcept { give_back(p); }
void operator delete[](void* p) noexcept { give_back(p); }
void operator delete(void* p, size_t) noexcept { give_back(p); }
void operator delete[](void* p, size_t) noexcept { give_back(p); }
void operator delete(void* p, std::align_val_t) noexcept { give_back(p); }
void operator delete[](void* p, std::align_val_t) noexcept { give_back(p); }
void operator delete(void* p, size_t, std::align_val_t) noexcept { give_back(p); }
void operator delete[](void* p, size_t, std::align_val_t) noexcept { give_back(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { give_back(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { give_back(p); }
void operator delete(void* p, std::align_val_t, const std::nothrow_t&) noexcept { give_back(p); }
void operator delete[](void* p, std::align_val_t, const std::nothrow_t&) noexcept { give_back(p); }
