// How this program was called, to print commands that work when they are copied.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace bonsai::app {

struct Invocation {
  std::string program;                 // as typed: build/bonsai
  std::vector<std::string> arguments;  // the subcommand first

  std::string text() const;     // without --resume
  std::string resumed() const;  // with it
};

// The options in force, defaults included, as JSON text.
std::string config_json(const CLI::App& command, const Invocation& invocation);

// An argument for a shell, in quotes where it needs them.
std::string quoted(const std::string& argument);

}  // namespace bonsai::app
