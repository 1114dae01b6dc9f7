// Twelve sums, each s = s a + b, wait for nobody but themselves: enough to fill two units with a
// latency of four to six cycles, and with a and b few enough for AVX2's 16 registers.
#include "engine/kernels/peak.h"

#include <algorithm>
#include <vector>

#include "engine/kernels/processor.h"
#include "engine/kernels/vector.h"
#include "engine/parallel.h"
#include "engine/stopwatch.h"

namespace bonsai {
namespace {

constexpr int sums = 12;
constexpr int64_t rounds = 1 << 18;  // a few hundred microseconds

// numbers: sums vectors to begin with, which are written back, then a, then b.
template <int bytes>
[[gnu::always_inline]] inline void multiply_add(Scalar* numbers) {
  using Vector = typename VectorOf<bytes>::Type;
  constexpr int lanes = bytes / static_cast<int>(sizeof(Scalar));
  Vector sum[sums], a, b;
  for (int s = 0; s < sums; ++s) load(sum[s], numbers + s * lanes);
  load(a, numbers + sums * lanes);
  load(b, numbers + (sums + 1) * lanes);
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 16
    for (int s = 0; s < sums; ++s) sum[s] = sum[s] * a + b;
  }
  for (int s = 0; s < sums; ++s) store(numbers + s * lanes, sum[s]);
}

struct Loop {
  int bytes;  // of a vector
  void (*run)(Scalar* numbers);
};

void plain_loop(Scalar* numbers) { multiply_add<16>(numbers); }

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) void avx2_loop(Scalar* numbers) { multiply_add<32>(numbers); }
__attribute__((target("avx512f,avx2,fma"))) void avx512_loop(Scalar* numbers) {
  multiply_add<64>(numbers);
}

#endif

Loop quickest_loop() {
#if defined(__x86_64__)
  if (widest_vectors() == Vectors::avx512) return {64, avx512_loop};
  if (widest_vectors() == Vectors::avx2) return {32, avx2_loop};
#endif
  return {16, plain_loop};
}

}  // namespace

double measured_peak(double seconds) {
  const Loop loop = quickest_loop();
  const int threads = thread_count();
  const size_t lanes = static_cast<size_t>(loop.bytes) / sizeof(Scalar);
  const double work = 2.0 * sums * rounds * static_cast<double>(lanes) * threads;
  double best = 0;
  const Stopwatch all;
  do {
    const Stopwatch trial;
    parallel_chunks(threads, [&](int64_t) {
      std::vector<Scalar> numbers((sums + 2) * lanes, Scalar(0.5));
      loop.run(numbers.data());
    });
    best = std::max(best, work / trial.seconds());
  } while (all.seconds() < seconds);
  return best;
}

}  // namespace bonsai
