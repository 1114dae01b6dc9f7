#include "data/process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "engine/error.h"

extern char** environ;

namespace bonsai {
namespace {

constexpr int not_found = 127;  // what a child reports that could not become the program

std::string reason(int error) { return std::error_code(error, std::generic_category()).message(); }

struct Pipe {
  std::array<int, 2> ends{-1, -1};

  Pipe() {
    require(::pipe(ends.data()) == 0, "pipe: ", reason(errno));
    for (const int end : ends) ::fcntl(end, F_SETFD, FD_CLOEXEC);
  }
  ~Pipe() {
    for (int& end : ends) close_end(end);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  static void close_end(int& end) {
    if (end >= 0) ::close(end);
    end = -1;
  }
};

// Ends a child that nobody waits for any more because an exception passed by.
class Child {
 public:
  explicit Child(pid_t id) : id_(id) {}
  ~Child() {
    if (id_ <= 0) return;
    ::kill(id_, SIGTERM);
    wait();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  int wait() {
    int status = 0;
    while (::waitpid(id_, &status, 0) < 0 && errno == EINTR) {
    }
    id_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  pid_t id_;
};

pid_t spawn(const std::vector<std::string>& arguments, const std::filesystem::path& input,
            int errors) {
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, input.empty() ? "/dev/null" : input.c_str(),
                                   O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, errors, 2);
  pid_t id = 0;
  const int error = ::posix_spawnp(&id, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  require(error != ENOENT || !input.empty(), arguments[0], ": not found; install it");
  require(error == 0, arguments[0], ": cannot be run: ", reason(error));
  return id;
}

}  // namespace

ProgramResult run_program(const std::vector<std::string>& arguments,
                          const std::filesystem::path& input,
                          const std::function<void()>& waiting) {
  constexpr size_t most_text = size_t{64} << 10;
  Pipe errors;
  Child child(spawn(arguments, input, errors.ends[1]));
  Pipe::close_end(errors.ends[1]);
  ProgramResult result;
  for (;;) {
    pollfd watched{errors.ends[0], POLLIN, 0};
    const int ready = ::poll(&watched, 1, 200);
    if (waiting) waiting();
    if (ready <= 0) continue;
    std::array<char, 4096> text;
    const ssize_t n = ::read(errors.ends[0], text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    if (result.messages.size() < most_text)
      result.messages.append(text.data(), static_cast<size_t>(n));
  }
  result.status = child.wait();
  require(result.status != not_found, arguments[0], ": not found; install it");
  return result;
}

}  // namespace bonsai
