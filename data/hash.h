// A 64-bit hash to notice damage and change, eight bytes a step (a multiply and a xor-shift, with
// a finish after MurmurHash3's). It is no protection against somebody who wants two texts with
// the same hash.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace bonsai {

class Hash {
 public:
  Hash& add(const void* data, size_t bytes) {
    const auto* p = static_cast<const unsigned char*>(data);
    size_t left = bytes;
    for (; left >= 8; left -= 8, p += 8) step(word(p, 8));
    if (left > 0) step(word(p, left));
    return add(static_cast<uint64_t>(bytes));
  }
  Hash& add(std::string_view text) { return add(text.data(), text.size()); }
  Hash& add(uint64_t value) {
    step(value);
    return *this;
  }

  uint64_t value() const {
    uint64_t h = state_;
    h = (h ^ (h >> 33)) * 0xFF51AFD7ED558CCD;
    h = (h ^ (h >> 33)) * 0xC4CEB9FE1A85EC53;
    return h ^ (h >> 33);
  }

 private:
  // Little-endian on every machine, so that a file's hash is the same everywhere.
  static uint64_t word(const unsigned char* p, size_t n) {
    uint64_t w = 0;
    for (size_t i = 0; i < n; ++i) w |= static_cast<uint64_t>(p[i]) << (8 * i);
    return w;
  }
  void step(uint64_t w) {
    state_ = (state_ ^ w) * 0x9E3779B97F4A7C15;
    state_ ^= state_ >> 29;
  }

  uint64_t state_ = 0x243F6A8885A308D3;
};

}  // namespace bonsai
