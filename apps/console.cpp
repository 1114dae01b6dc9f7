#include "apps/console.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/error.h"
#include "engine/text.h"

namespace bonsai::app {
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
  const size_t size = screen_width(text);
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

std::string table(std::vector<std::string> head, std::vector<std::vector<std::string>> rows) {
  rows.insert(rows.begin(), std::move(head));
  return text_table(rows);
}

std::string bold(std::string_view text) {
  if (isatty(STDOUT_FILENO) != 1 || std::getenv("NO_COLOR") != nullptr) return std::string(text);
  return "\033[1m" + std::string(text) + "\033[0m";
}

}  // namespace bonsai::app
