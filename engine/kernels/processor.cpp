#include "engine/kernels/processor.h"

namespace bonsai {

#if defined(__x86_64__)
Vectors widest_vectors() {
  static const Vectors widest = [] {
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (avx2 && __builtin_cpu_supports("avx512f")) return Vectors::avx512;
    return avx2 ? Vectors::avx2 : Vectors::baseline;
  }();
  return widest;
}
#else
Vectors widest_vectors() { return Vectors::baseline; }
#endif

}  // namespace bonsai
