// Numbers and tables as people read them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bonsai {

std::string fixed(double value, int digits);  // 3.14; never "-0.0"
std::string grouped(int64_t value);           // 1,234,567

// Characters on the screen: the bytes of UTF-8 that do not continue one.
size_t screen_width(const std::string& text);

// Columns as wide as their widest cell and two blanks apart, the first `left` to the left, the
// others, numbers, to the right. All rows have as many cells as the first. No line ends in blanks.
std::string text_table(const std::vector<std::vector<std::string>>& rows, size_t left = 1);

}  // namespace bonsai
