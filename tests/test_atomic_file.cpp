// A file is replaced whole or stays as it was: writers that give up, are killed or run out of
// space at any step.
#include "engine/atomic_file.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>

#include "engine/error.h"
#include "tests/catch.h"
#include "tests/error_of.h"
#include "tests/temporary_folder.h"

using namespace bonsai;
using Catch::Matchers::Contains;

namespace {

namespace fs = std::filesystem;

std::string content(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_file(const std::string& path, const std::string& text) {
  AtomicFile file(path, text.size());
  file.write(text.data(), text.size());
  file.commit();
}

size_t files_in(const fs::path& folder) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(folder), {}));
}

// Runs f in a process of its own; true when SIGKILL ended it.
bool killed(const std::function<void()>& f) {
  const pid_t child = fork();
  if (child == 0) {
    f();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

}  // namespace

TEST_CASE("a committed file holds what was written, and nothing else remains") {
  const TemporaryFolder folder;
  const std::string path = folder / "model";
  write_file(path, "first");
  CHECK(content(path) == "first");
  const std::string long_text(3'000'000, 'x');
  write_file(path, long_text);
  CHECK(content(path) == long_text);
  write_file(path, "");
  CHECK(content(path).empty());
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("a writer that gives up leaves the old file and no temporary") {
  const TemporaryFolder folder;
  const std::string path = folder / "model";
  write_file(path, "old");
  {
    AtomicFile file(path, 6);
    file.write("new", 3);
    CHECK(files_in(folder.path()) == 2);
    CHECK(content(path) == "old");
  }
  CHECK(content(path) == "old");
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("a killed writer leaves the old file, and its temporary goes with the next save") {
  const TemporaryFolder folder;
  const std::string path = folder / "model";
  write_file(path, "old");
  for (int step = 0; step < 3; ++step) {
    REQUIRE(killed([&] {
      AtomicFile file(path, 6);
      if (step > 0) file.write("new", 3);
      if (step > 1) file.write("new", 3);
      raise(SIGKILL);
    }));
    CHECK(content(path) == "old");
    CHECK(files_in(folder.path()) == 2);
    write_file(path, "old");
    CHECK(files_in(folder.path()) == 1);
  }
  REQUIRE(killed([&] {
    write_file(path, "new");
    raise(SIGKILL);
  }));
  CHECK(content(path) == "new");
}

TEST_CASE("only temporaries of this file and of processes that are gone are removed") {
  const TemporaryFolder folder;
  const std::string path = folder / "model";
  const std::vector<std::string> others = {"model.tmp." + std::to_string(getppid()),
                                           "model.tmp.",
                                           "model.tmp.x",
                                           "model.tmp.1234567890",
                                           "other.tmp.999999998",
                                           "model"};
  for (const std::string& name : others) std::ofstream(folder / name) << name;
  std::ofstream(folder / "model.tmp.999999999") << "stale";
  write_file(path, "new");
  for (const std::string& name : others) CHECK(fs::exists(folder / name));
  CHECK(files_in(folder.path()) == others.size());
}

TEST_CASE("without space the old file stays, and the error says what is needed and what is free") {
  const TemporaryFolder folder;
  const std::string path = folder / "model";
  write_file(path, "old");
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 1000;
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string error = error_of([&] { write_file(path, std::string(4'194'304, 'x')); });
  setrlimit(RLIMIT_FSIZE, &before);
  signal(SIGXFSZ, handler);
  CHECK_THAT(error, Contains(path) && Contains("4194304 bytes needed") && Contains(" free)"));
  CHECK(std::count(error.begin(), error.end(), '\n') == 0);
  CHECK(content(path) == "old");
  CHECK(files_in(folder.path()) == 1);
  write_file(path, "new");  // and the next attempt can succeed
  CHECK(content(path) == "new");
}

TEST_CASE("places that cannot be written are refused") {
  const TemporaryFolder folder;
  CHECK_THAT(error_of([&] { write_file(folder / "missing/model", "x"); }), Contains("missing"));
  CHECK_THAT(error_of([&] { write_file(folder.path(), "x"); }), Contains("not a regular file"));
  CHECK_THAT(error_of([] { write_file("/dev/full", "x"); }), Contains("not a regular file"));
}

TEST_CASE("a replaced file keeps its permissions") {
  const TemporaryFolder folder;
  const std::string path = folder / "model";
  write_file(path, "old");
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  write_file(path, "new");
  CHECK(fs::status(path).permissions() == (fs::perms::owner_read | fs::perms::owner_write));
}
