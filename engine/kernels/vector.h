// Vectors of scalars as the compiler knows them: arithmetic is written with the usual operators
// and becomes the instruction set that the calling function's target attribute names.
#pragma once

#include <cstring>

#include "engine/tensor.h"

namespace bonsai {

template <int bytes>
struct VectorOf {
  typedef Scalar Type __attribute__((vector_size(bytes)));
};

// Unaligned; the compiler makes one instruction of each copy. Vectors travel by reference, since
// passing one by value would mean another calling convention per instruction set.
template <class Vector>
[[gnu::always_inline]] inline void load(Vector& v, const Scalar* from) {
  std::memcpy(&v, from, sizeof v);
}

template <class Vector>
[[gnu::always_inline]] inline void store(Scalar* to, const Vector& v) {
  std::memcpy(to, &v, sizeof v);
}

// The first n scalars of a vector, n <= lanes: a tile's last vector may stick out of its row.
template <class Vector>
[[gnu::always_inline]] inline void load_first(Vector& v, const Scalar* from, int n) {
  constexpr int lanes = static_cast<int>(sizeof(Vector) / sizeof(Scalar));
  if (n == lanes) return load(v, from);
  alignas(sizeof(Vector)) Scalar aside[lanes] = {};
  for (int i = 0; i < n; ++i) aside[i] = from[i];
  load(v, aside);
}

template <int piece>
[[gnu::always_inline]] inline void copy_pieces(Scalar* to, const Scalar* from, int n) {
  if constexpr (piece > 0) {
    if ((n & piece) != 0) {
      std::memcpy(to, from, piece * sizeof(Scalar));
      to += piece;
      from += piece;
    }
    copy_pieces<piece / 2>(to, from, n);
  }
}

template <class Vector>
[[gnu::always_inline]] inline void store_first(Scalar* to, const Vector& v, int n) {
  constexpr int lanes = static_cast<int>(sizeof(Vector) / sizeof(Scalar));
  if (n == lanes) return store(to, v);
  alignas(sizeof(Vector)) Scalar aside[lanes];
  store(aside, v);
  copy_pieces<lanes / 2>(to, aside, n);
}

}  // namespace bonsai
