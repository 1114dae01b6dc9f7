// Which vectors this processor computes with, asked once.
#pragma once

namespace bonsai {

// baseline: what every processor of the kind has, SSE2 or NEON. avx2 stands for multiply-adds as
// well.
enum class Vectors { baseline, avx2, avx512 };
Vectors widest_vectors();

}  // namespace bonsai
