// What people see: results as tables on standard output, everything else on standard error, so
// that `--json` leaves standard output to the one JSON value.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace bonsai::app {

bool errors_on_terminal();  // standard error is a terminal

void say(std::string_view line);    // standard error
void print(std::string_view text);  // standard output
void print_json(const nlohmann::ordered_json& value);

// A line that the next one overwrites; ends when done. Only on a terminal, and only now and then.
class StatusLine {
 public:
  ~StatusLine() { clear(); }
  void show(const std::string& text);
  void clear();

 private:
  size_t shown_ = 0;
};

// A text_table (engine/text.h) with the names of the columns.
std::string table(std::vector<std::string> head, std::vector<std::vector<std::string>> rows);

// For emphasis on standard output: bold on a terminal unless NO_COLOR is set.
std::string bold(std::string_view text);

}  // namespace bonsai::app
