#include "engine/crc64.h"

#include <array>
#include <bit>
#include <cstring>

namespace bonsai {
namespace {

static_assert(std::endian::native == std::endian::little, "files are read as they lie in memory");

// tables[k][b]: the effect of byte b when k more bytes follow in the same step of eight
// ("slicing by 8": eight look-ups that do not wait for one another).
using Tables = std::array<std::array<uint64_t, 256>, 8>;

constexpr Tables make_tables() {
  Tables t{};
  for (uint64_t b = 0; b < 256; ++b) {
    uint64_t c = b;
    for (int bit = 0; bit < 8; ++bit) c = (c & 1) != 0 ? c >> 1 ^ 0xC96C5795D7870F42 : c >> 1;
    t[0][b] = c;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (size_t b = 0; b < 256; ++b) t[k][b] = t[k - 1][b] >> 8 ^ t[0][t[k - 1][b] & 255];
  }
  return t;
}

constexpr Tables tables = make_tables();

}  // namespace

void Crc64::update(const void* data, size_t bytes) {
  const auto* p = static_cast<const unsigned char*>(data);
  for (; bytes >= 8; p += 8, bytes -= 8) {
    uint64_t word;
    std::memcpy(&word, p, 8);
    word ^= state_;
    state_ = 0;
    for (size_t k = 0; k < 8; ++k) state_ ^= tables[7 - k][word >> 8 * k & 255];
  }
  for (; bytes > 0; ++p, --bytes) state_ = state_ >> 8 ^ tables[0][(state_ ^ *p) & 255];
}

std::string Crc64::hex() const {
  std::string text(16, '0');
  for (size_t i = 0; i < 16; ++i) text[i] = "0123456789abcdef"[value() >> (60 - 4 * i) & 15];
  return text;
}

}  // namespace bonsai
