// Runs the built command as a user does, in a folder of its own, and keeps what came out.
#pragma once

#include <filesystem>
#include <string>

#include "tests/temporary_folder.h"

namespace bonsai::test {

struct Outcome {
  int status = -1;  // as a shell says it: 128 + signal for a program that a signal ended
  std::string out, err;
};

class CommandFolder {
 public:
  // `arguments` as typed in a shell whose working folder is this one.
  Outcome run(const std::string& arguments) const;
  // Sends the signal as soon as standard error has said `cue`.
  Outcome run_and_signal(const std::string& arguments, const std::string& cue, int signal) const;

  std::filesystem::path path(const std::string& name) const { return folder_ / name; }
  std::string read(const std::string& name) const;
  void write(const std::string& name, const std::string& content) const;

 private:
  TemporaryFolder folder_;
};

}  // namespace bonsai::test
