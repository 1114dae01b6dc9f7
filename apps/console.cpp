#include "apps/console.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "engine/error.h"

namespace bonsai::app {
namespace {

// Characters on the screen: the bytes of UTF-8 that do not continue one.
size_t columns(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

}  // namespace

bool errors_on_terminal() { return isatty(STDERR_FILENO) == 1; }

void say(std::string_view line) {
  std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
}

void print(std::string_view text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  require(written && std::fflush(stdout) == 0, "standard output: cannot write");
}

void print_json(const nlohmann::ordered_json& value) {
  print(value.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

void StatusLine::show(const std::string& text) {
  if (!errors_on_terminal()) return;
  const size_t size = columns(text);
  const std::string padding(shown_ > size ? shown_ - size : 0, ' ');
  std::fprintf(stderr, "\r%s%s", text.c_str(), padding.c_str());
  std::fflush(stderr);
  shown_ = size;
}

void StatusLine::clear() {
  if (shown_ == 0) return;
  std::fprintf(stderr, "\r%s\r", std::string(shown_, ' ').c_str());
  std::fflush(stderr);
  shown_ = 0;
}

std::string table(const std::vector<std::string>& head,
                  const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths(head.size());
  const auto widen = [&](const std::vector<std::string>& row) {
    for (size_t i = 0; i < head.size(); ++i) widths[i] = std::max(widths[i], columns(row[i]));
  };
  widen(head);
  for (const auto& row : rows) widen(row);

  std::string text;
  const auto add = [&](const std::vector<std::string>& row) {
    std::string line;
    for (size_t i = 0; i < head.size(); ++i) {
      const std::string padding(widths[i] - columns(row[i]), ' ');
      line += (i > 0 ? "  " : "") + (i == 0 ? row[i] + padding : padding + row[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  };
  add(head);
  for (const auto& row : rows) add(row);
  return text;
}

std::string bold(std::string_view text) {
  if (isatty(STDOUT_FILENO) != 1 || std::getenv("NO_COLOR") != nullptr) return std::string(text);
  return "\033[1m" + std::string(text) + "\033[0m";
}

}  // namespace bonsai::app
