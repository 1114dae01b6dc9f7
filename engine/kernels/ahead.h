// Lines of memory that are asked for before they are needed, in shares: all at once they would
// stand in the way of what is needed now.
#pragma once

#include <cstdint>

#include "engine/tensor.h"

namespace bonsai {

enum class Use { read, write };

// The n scalars from `from` on, of which each fetch() asks for one of `shares`. That the last
// lines lie behind the end of a tensor does no harm.
template <Use use>
class Ahead {
 public:
  Ahead(const Scalar* from, int64_t n, int shares)
      : next_(from), share_((n / line + shares) / shares * line) {}

  void fetch() {
    for (int64_t i = 0; i < share_; i += line) __builtin_prefetch(next_ + i, use == Use::write, 3);
    next_ += share_;
  }

 private:
  static constexpr int64_t line = 64 / sizeof(Scalar);
  const Scalar* next_;
  int64_t share_;
};

}  // namespace bonsai
