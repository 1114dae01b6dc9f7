// Lines of memory that are asked for before they are needed, in shares: all at once they would
// stand in the way of what is needed now.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/tensor.h"

namespace bonsai {

enum class Use { read, write };

template <Use use>
void fetch_line(const Scalar* at) {
  __builtin_prefetch(at, use == Use::write, 3);
}

constexpr int scalars_of_line = 64 / sizeof(Scalar);

// The n scalars from `from` on, of which each fetch() asks for one of `shares`. That the last
// lines lie behind the end of a tensor does no harm.
template <Use use>
class Ahead {
 public:
  Ahead(const Scalar* from, int64_t n, int shares)
      : next_(from), share_((n / scalars_of_line + shares) / shares * scalars_of_line) {}

  void fetch() {
    for (int64_t i = 0; i < share_; i += scalars_of_line) fetch_line<use>(next_ + i);
    next_ += share_;
  }

 private:
  const Scalar* next_;
  int64_t share_;
};

// The same of `rows` rows of n scalars, `pitch` apart; when all rows are fetched, nothing more.
template <Use use>
class RowsAhead {
 public:
  RowsAhead(const Scalar* from, int64_t rows, int n, int pitch, int64_t shares)
      : next_(from), left_(rows), share_((rows + shares - 1) / shares), n_(n), pitch_(pitch) {}

  void fetch() {
    const int64_t rows = std::min(share_, left_);
    for (int64_t row = 0; row < rows; ++row, next_ += pitch_) {
      for (int i = 0; i < n_; i += scalars_of_line) fetch_line<use>(next_ + i);
      fetch_line<use>(next_ + n_ - 1);  // a row may start in the middle of a line
    }
    left_ -= rows;
  }

 private:
  const Scalar* next_;
  int64_t left_, share_;
  int n_, pitch_;
};

}  // namespace bonsai
