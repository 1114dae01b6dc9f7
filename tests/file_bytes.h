// Safetensors files made by hand, right or wrong.
#pragma once

#include <cstdint>
#include <string>

namespace bonsai {

inline std::string length_bytes(uint64_t n) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(n >> (8 * i) & 255);
  return bytes;
}

inline std::string with_header(const std::string& json, const std::string& data) {
  return length_bytes(json.size()) + json + data;
}

}  // namespace bonsai
