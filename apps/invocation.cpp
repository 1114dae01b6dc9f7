#include "apps/invocation.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

namespace bonsai::app {

std::string Invocation::text() const {
  std::string line = quoted(program);
  for (const std::string& argument : arguments)
    if (argument != "--resume") line += " " + quoted(argument);
  return line;
}

std::string Invocation::resumed() const { return text() + " --resume"; }

std::string config_json(const CLI::App& command, const Invocation& invocation) {
  nlohmann::ordered_json config = {{"command", invocation.text()},
                                   {"version", "bonsai " BONSAI_VERSION}};
  for (const CLI::Option* option : command.get_options()) {
    const std::string name = option->get_single_name();
    if (name == "help" || name == "resume" || name.empty()) continue;
    if (option->get_expected_max() == 0) {
      config[name] = option->count() > 0;
    } else if (option->count() > 1) {
      config[name] = option->results();
    } else {
      config[name] = option->count() > 0 ? option->results().front() : option->get_default_str();
    }
  }
  return config.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

std::string quoted(const std::string& argument) {
  constexpr const char* plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=,:+@%";
  if (!argument.empty() && argument.find_first_not_of(plain) == std::string::npos) return argument;
  std::string text = "'";
  for (const char c : argument) {
    if (c == '\'') {
      text += "'\\''";
    } else {
      text += c;
    }
  }
  return text + "'";
}

}  // namespace bonsai::app
