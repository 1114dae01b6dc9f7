// Numbers and names as people read them, for the page and for the terminal.
#pragma once

#include <string>
#include <string_view>

#include "engine/text.h"

namespace bonsai::report {

using bonsai::fixed;
using bonsai::grouped;

std::string escape(std::string_view text);          // for HTML text and attribute values
std::string short_count(double value);              // 1.23 M
std::string short_bytes(double bytes);              // 4.56 MB (powers of 1000)
std::string percent(double share, int digits = 1);  // 0.934 -> 93.4 %
std::string milliseconds(double ms);                // three significant digits
std::string duration(double seconds);               // 1 m 23 s
std::string base64(std::string_view bytes);
std::string shortened(std::string_view text, size_t most);  // keeps both ends: "stage2...conv1"

}  // namespace bonsai::report
