// Counts what the test program asks of the heap through operator new.
#pragma once

#include <cstddef>

struct Allocations {
  size_t calls = 0;       // ever
  size_t live_bytes = 0;  // now
  size_t peak_bytes = 0;  // since reset_peak_allocations()
};
Allocations allocations();
void reset_peak_allocations();
