// Channels of groups with and without gaps, of every width and in numbers that do and do not fill
// vectors, against single numbers: the compiler has its own instructions for those of 64 bits.
#include "engine/kernels/group_gaps.h"

#include <vector>

#include "tests/catch.h"

using namespace bonsai;

namespace {

constexpr int pixels = 2;

// Numbers that are not where they should be, of those with gaps and of those without.
int misplaced(const GroupGaps& g) {
  const auto dense = static_cast<size_t>(pixels * g.dense_channels());
  const auto spread = static_cast<size_t>(pixels * g.spread_channels());
  std::vector<Scalar> x(dense), with_gaps(spread, -1), back(dense, 5);
  for (size_t i = 0; i < dense; ++i) x[i] = static_cast<Scalar>(i + 1);
  spread_groups(g, x.data(), pixels, with_gaps.data(), g.spread_channels());
  int count = 0;
  for (int i = 0; i < pixels * g.spread_channels(); ++i) {
    const int c = i % g.size, from = i / g.size * g.used + c;
    const Scalar expected = c < g.used ? static_cast<Scalar>(from + 1) : Scalar{0};
    count += with_gaps[static_cast<size_t>(i)] == expected ? 0 : 1;
  }
  for (const bool add : {true, false}) {
    gather_groups(g, with_gaps.data(), g.spread_channels(), pixels, back.data(), add);
    for (size_t i = 0; i < dense; ++i) count += back[i] == x[i] + (add ? 5 : 0) ? 0 : 1;
  }
  return count;
}

}  // namespace

TEST_CASE("groups of channels move into gaps and out of them") {
  for (const int size : {2, 4, 8}) {
    for (int used = 1; used <= size; ++used) {
      for (int groups = 1; groups < 20; ++groups) {
        INFO(groups << " groups of " << used << " in " << size);
        CHECK(misplaced({groups, used, size}) == 0);
      }
    }
  }
}
