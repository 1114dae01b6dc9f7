// Numbers in sentences and tables.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

namespace bonsai {

inline std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

// 1234567 -> 1,234,567
inline std::string grouped(int64_t n) {
  std::string text = std::to_string(n);
  for (size_t i = text.size(); i > 3;) text.insert(i -= 3, 1, ',');
  return text;
}

}  // namespace bonsai
