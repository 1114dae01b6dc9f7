// Runs another program (tar, curl) without a shell: arguments arrive as they are, whatever
// characters a path holds.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace bonsai {

struct ProgramResult {
  int status = 0;        // exit status; 128 + signal when one ended it
  std::string messages;  // the first 64 KiB of standard error

  std::string first_line() const { return messages.substr(0, messages.find('\n')); }
};

// arguments[0] is looked up as the shell would. Standard input is the given file (or nothing),
// standard output is dropped; `waiting` is called several times a second on this thread. Throws
// Error when there is no such program.
ProgramResult run_program(const std::vector<std::string>& arguments,
                          const std::filesystem::path& input = {},
                          const std::function<void()>& waiting = {});

}  // namespace bonsai
