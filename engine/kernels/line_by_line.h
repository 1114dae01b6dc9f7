// Loops over n numbers, one after the other in each of their streams, for the compiler's
// vectoriser.
#pragma once

#include <cstdint>

#include "engine/kernels/ahead.h"

namespace bonsai {

// body(j) for all j < count, a number that the compiler knows: of vectors of that width, one.
template <int count, class Body>
[[gnu::always_inline]] inline void together(int64_t first, const Body& body) {
#pragma GCC ivdep
#pragma GCC unroll 1
  for (int j = 0; j < count; ++j) body(first + j);
}

// body(j) for all j < n, as many at a time as a line of memory holds. Before each line, fetch(j)
// asks for one that is needed later: asked for by whole rows, they would stand in each other's way.
template <class Fetch, class Body>
[[gnu::always_inline]] inline void line_by_line(int64_t n, const Fetch& fetch, const Body& body) {
  constexpr int line = scalars_of_line;
  int64_t j = 0;
  for (; j + line <= n; j += line) {
    fetch(j);
    together<line>(j, body);
  }
  if (j == n) return;
  fetch(n - 1);
  if (n - j >= line / 2) {
    together<line / 2>(j, body);
    j += line / 2;
  }
  if (n - j >= line / 4) {
    together<line / 4>(j, body);
    j += line / 4;
  }
  for (; j < n; ++j) body(j);
}

}  // namespace bonsai
