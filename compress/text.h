// Numbers in sentences and tables.
#pragma once

#include <cstdio>
#include <string>

namespace bonsai {

inline std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

}  // namespace bonsai
