#include "data/md5.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <vector>

#include "data/files.h"
#include "engine/error.h"

namespace bonsai {
namespace {

// T[i] = floor(2^32 |sin(i + 1)|): section 3.4.
const std::array<uint32_t, 64>& sines() {
  static const std::array<uint32_t, 64> table = [] {
    std::array<uint32_t, 64> t{};
    for (size_t i = 0; i < 64; ++i) {
      t[i] = static_cast<uint32_t>(
          std::floor(std::abs(std::sin(static_cast<double>(i + 1))) * 0x1p32));
    }
    return t;
  }();
  return table;
}

constexpr int turns[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

uint32_t word(const uint8_t* p) {
  return static_cast<uint32_t>(p[0]) | static_cast<uint32_t>(p[1]) << 8 |
         static_cast<uint32_t>(p[2]) << 16 | static_cast<uint32_t>(p[3]) << 24;
}

}  // namespace

void Md5::block(const uint8_t* p) {
  auto [a, b, c, d] = state_;
  for (uint32_t i = 0; i < 64; ++i) {
    const uint32_t round = i / 16;
    uint32_t f = 0, from = 0;
    switch (round) {
      case 0:
        f = (b & c) | (~b & d);
        from = i;
        break;
      case 1:
        f = (d & b) | (~d & c);
        from = (5 * i + 1) % 16;
        break;
      case 2:
        f = b ^ c ^ d;
        from = (3 * i + 5) % 16;
        break;
      default:
        f = c ^ (b | ~d);
        from = 7 * i % 16;
        break;
    }
    const uint32_t sum = a + f + sines()[i] + word(p + 4 * from);
    a = d;
    d = c;
    c = b;
    b += std::rotl(sum, turns[round][i % 4]);
  }
  state_[0] += a;
  state_[1] += b;
  state_[2] += c;
  state_[3] += d;
}

void Md5::add(const void* data, size_t bytes) {
  const auto* p = static_cast<const uint8_t*>(data);
  while (bytes > 0) {
    const size_t filled = bytes_ % 64, n = std::min(bytes, 64 - filled);
    std::memcpy(pending_.data() + filled, p, n);
    bytes_ += n;
    p += n;
    bytes -= n;
    if (filled + n == 64) block(pending_.data());
  }
}

std::string Md5::hex() {
  const uint64_t bits = bytes_ * 8;
  const uint8_t one = 0x80, zero = 0;
  add(&one, 1);
  while (bytes_ % 64 != 56) add(&zero, 1);
  for (int i = 0; i < 8; ++i) {
    const auto byte = static_cast<uint8_t>(bits >> (8 * i));
    add(&byte, 1);
  }
  std::string text;
  for (const uint32_t word : state_) {
    for (int i = 0; i < 4; ++i) {
      text += "0123456789abcdef"[word >> (8 * i + 4) & 15];
      text += "0123456789abcdef"[word >> (8 * i) & 15];
    }
  }
  return text;
}

std::string file_md5(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  require(file.is_open(), printable(path), ": cannot be read");
  Md5 md5;
  std::vector<char> buffer(size_t{1} << 20);
  while (file) {
    file.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    md5.add(buffer.data(), static_cast<size_t>(file.gcount()));
  }
  require(file.eof(), printable(path), ": cannot be read to its end");
  return md5.hex();
}

}  // namespace bonsai
