#include "apps/report/text.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace bonsai::report {
namespace {

std::string scaled(double value, double step_to_next, std::string_view unit) {
  constexpr std::array<std::string_view, 5> prefixes = {"", "k", "M", "G", "T"};
  size_t prefix = 0;
  while (std::abs(value) >= step_to_next && prefix + 1 < prefixes.size()) {
    value /= 1000;
    ++prefix;
  }
  const double size = std::abs(value);
  const int digits = prefix == 0 ? 0 : size < 10 ? 2 : size < 100 ? 1 : 0;
  std::string text = fixed(value, digits);
  if (prefix > 0 || !unit.empty()) text += " ";
  return text.append(prefixes[prefix]).append(unit);
}

}  // namespace

std::string escape(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        // Control characters are not allowed in a page, whatever a file is called.
        safe += static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' ? '?' : c;
    }
  }
  return safe;
}

std::string short_count(double value) { return scaled(value, 1000, ""); }

std::string short_bytes(double bytes) { return scaled(bytes, 1000, "B"); }

std::string percent(double share, int digits) { return fixed(100 * share, digits) + " %"; }

std::string milliseconds(double ms) {
  return fixed(ms, ms < 0.1 ? 3 : ms < 10 ? 2 : ms < 100 ? 1 : 0) + " ms";
}

std::string duration(double seconds) {
  const auto whole = static_cast<int64_t>(std::llround(std::max(0.0, seconds)));
  if (whole < 60) return std::to_string(whole) + " s";
  if (whole < 3600) return std::to_string(whole / 60) + " m " + std::to_string(whole % 60) + " s";
  return std::to_string(whole / 3600) + " h " + std::to_string(whole / 60 % 60) + " m";
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k)
      group = group << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    const size_t known = std::min<size_t>(bytes.size() - i, 3) + 1;
    for (size_t k = 0; k < 4; ++k) text += k < known ? alphabet[group >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

std::string shortened(std::string_view text, size_t most) {
  if (text.size() <= most || most < 5) return std::string(text);
  const size_t head = (most - 3) / 2, tail = most - 3 - head;
  return std::string(text.substr(0, head)) + "..." + std::string(text.substr(text.size() - tail));
}

}  // namespace bonsai::report
