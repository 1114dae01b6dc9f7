#include "tests/command.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <sstream>

#include "engine/error.h"

namespace bonsai::test {
namespace {

// What the shell is told: standard output into a file, standard error into the pipe.
std::string script(const std::string& folder, const std::string& arguments) {
  return "cd '" + folder + "' && exec " BONSAI_BINARY " " + arguments + " >out.txt";
}

int shell_status(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

Outcome CommandFolder::run(const std::string& arguments) const {
  return run_and_signal(arguments, "", 0);
}

Outcome CommandFolder::run_and_signal(const std::string& arguments, const std::string& cue,
                                      int signal) const {
  std::array<int, 2> ends{};
  require(pipe(ends.data()) == 0, "pipe failed");
  const std::string text = script(folder_.path(), arguments);
  const pid_t child = fork();
  require(child >= 0, "fork failed");
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    execl("/bin/sh", "sh", "-c", text.c_str(), static_cast<char*>(nullptr));
    _exit(127);
  }
  close(ends[1]);
  Outcome outcome;
  bool sent = cue.empty();
  std::array<char, 4096> buffer{};
  for (ssize_t n = 0; (n = ::read(ends[0], buffer.data(), buffer.size())) > 0;) {
    outcome.err.append(buffer.data(), static_cast<size_t>(n));
    if (!sent && outcome.err.find(cue) != std::string::npos) {
      kill(child, signal);
      sent = true;
    }
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  outcome.status = shell_status(status);
  outcome.out = read("out.txt");
  return outcome;
}

std::string CommandFolder::read(const std::string& name) const {
  std::ifstream file(path(name), std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void CommandFolder::write(const std::string& name, const std::string& content) const {
  std::ofstream(path(name), std::ios::binary) << content;
}

}  // namespace bonsai::test
