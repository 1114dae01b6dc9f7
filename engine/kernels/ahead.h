// Lines of memory that are asked for before they are needed, in shares: all at once they would
// stand in the way of what is needed now.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/ceil_div.h"
#include "engine/tensor.h"

namespace bonsai {

// Later: read, but so far ahead that the second cache is near enough. The first one follows few
// lines on their way, too few to keep memory busy.
enum class Use { read, later, write };

// Always inlined: the compiler drops calls of a function that does nothing but this.
template <Use use>
[[gnu::always_inline]] inline void fetch_line(const Scalar* at) {
  __builtin_prefetch(at, use == Use::write, use == Use::later ? 2 : 3);
}

constexpr int scalars_of_line = 64 / sizeof(Scalar);

// How far ahead loops over memory without gaps ask: 4 KiB, since a processor foresees them, too.
constexpr int numbers_ahead = 1024;

// With each row of n scalars, `pitch` apart, another is asked for that comes later, behind as many
// rows as hold twice that; unless they touch.
template <Use use>
class LaterRow {
 public:
  LaterRow(int n, int64_t pitch)
      : n_(pitch == n ? 0 : n),
        distance_(std::max(1, 2 * numbers_ahead / std::max(n, 1)) * pitch) {}

  [[gnu::always_inline]] void fetch(const Scalar* row) const {
    if (n_ == 0) return;
    const Scalar* at = row + distance_;
    for (int i = 0; i < n_; i += scalars_of_line) fetch_line<use>(at + i);
    fetch_line<use>(at + n_ - 1);
  }

 private:
  int n_;
  int64_t distance_;
};

// The n scalars from `from` on, of which each fetch() asks for one of `shares`. That the last
// lines lie behind the end of a tensor does no harm.
template <Use use>
class Ahead {
 public:
  Ahead() = default;
  Ahead(const Scalar* from, int64_t n, int shares)
      : next_(from),
        end_(from + n),
        share_((n / scalars_of_line + shares) / shares * scalars_of_line) {}

  [[gnu::always_inline]] void fetch() {
    const Scalar* const end = std::min(end_, next_ + share_);
    for (; next_ < end; next_ += scalars_of_line) fetch_line<use>(next_);
  }

 private:
  const Scalar *next_ = nullptr, *end_ = nullptr;
  int64_t share_ = 0;
};

// The same of `rows` rows of n scalars, `pitch` apart; shares are numbered, so that threads may ask
// for them in any order.
template <Use use>
class RowsAhead {
 public:
  RowsAhead(const Scalar* from, int64_t rows, int n, int pitch, int64_t shares)
      : from_(from),
        rows_(n == pitch ? ceil_div(rows * n, scalars_of_line) : rows),
        share_(ceil_div(rows_, shares)),
        n_(n == pitch ? scalars_of_line : n + scalars_of_line - 1),
        pitch_(n == pitch ? scalars_of_line : pitch) {}

  [[gnu::always_inline]] void fetch(int64_t share) const {
    const int64_t end = std::min(rows_, (share + 1) * share_);
    const Scalar* at = from_ + share * share_ * pitch_;
    for (int64_t row = share * share_; row < end; ++row, at += pitch_) {
      fetch_line<use>(at);
      for (int i = scalars_of_line; i < n_; i += scalars_of_line) fetch_line<use>(at + i);
    }
  }

 private:
  const Scalar* from_;
  int64_t rows_, share_;
  int n_, pitch_;
};

// The same of the rows of two arrays.
template <Use use_of_first, Use use_of_second>
struct PairAhead {
  RowsAhead<use_of_first> first;
  RowsAhead<use_of_second> second;

  [[gnu::always_inline]] void fetch(int64_t share) const {
    first.fetch(share);
    second.fetch(share);
  }
};

}  // namespace bonsai
