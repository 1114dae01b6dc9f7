// One function, compiled once per instruction set and chosen when the program starts, so that
// one binary is quick on every laptop: mark the innermost loops over plain arrays with
// BONSAI_SIMD and leave the rest to the compiler's vectoriser. ARM's baseline has NEON already,
// and sanitizers start too late for the run-time choice.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define BONSAI_SIMD __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define BONSAI_SIMD
#endif
