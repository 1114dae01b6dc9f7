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

}  // namespace bonsai
