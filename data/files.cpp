#include "data/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <system_error>

#include "engine/atomic_file.h"
#include "engine/error.h"

namespace bonsai {
namespace fs = std::filesystem;
namespace {

std::string reason(int error) { return std::error_code(error, std::generic_category()).message(); }

// Bytes of the UTF-8 character that starts here; 0 when there is none (RFC 3629's table).
size_t utf8_length(std::string_view s) {
  const auto byte = [&](size_t i) { return i < s.size() ? static_cast<uint8_t>(s[i]) : 0; };
  const auto tail = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const int a = byte(0), b = byte(1);
  if (a < 0x80) return 1;
  if (a >= 0xC2 && a <= 0xDF) return tail(1) ? 2 : 0;
  if (a >= 0xE0 && a <= 0xEF) {
    const bool overlong = a == 0xE0 && b < 0xA0, surrogate = a == 0xED && b > 0x9F;
    return tail(1) && tail(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (a >= 0xF0 && a <= 0xF4) {
    const bool overlong = a == 0xF0 && b < 0x90, too_large = a == 0xF4 && b > 0x8F;
    return tail(1) && tail(2) && tail(3) && !overlong && !too_large ? 4 : 0;
  }
  return 0;
}

// Folders <stem>-<process> whose process is gone.
void remove_leftovers(const fs::path& parent, const std::string& stem) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(parent, ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(stem + "-")) continue;
    const char* first = name.data() + stem.size() + 1;
    const char* last = name.data() + name.size();
    pid_t process = 0;
    const auto [end, error] = std::from_chars(first, last, process);
    if (error != std::errc{} || end != last || process <= 0) continue;
    if (::kill(process, 0) == -1 && errno == ESRCH) fs::remove_all(entry.path(), ignored);
  }
}

}  // namespace

std::string printable_text(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t n = utf8_length(text);
    const auto first = static_cast<uint8_t>(text[0]);
    if (n == 0 || first < 0x20 || first == 0x7F) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\x%02X", first);
      out += escaped;
      text.remove_prefix(1);
    } else {
      out += text.substr(0, n);
      text.remove_prefix(n);
    }
  }
  return out;
}

std::string printable(const fs::path& path) { return printable_text(path.native()); }

std::vector<uint8_t> read_file(const fs::path& path, uint64_t most_bytes) {
  const std::string name = printable(path);
  // A named pipe would block open() for ever without O_NONBLOCK.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  require(descriptor >= 0, name, ": cannot be read: ", reason(errno));
  struct Closer {
    int descriptor;
    ~Closer() { ::close(descriptor); }
  } const closer{descriptor};
  struct stat status {};
  require(::fstat(descriptor, &status) == 0, name, ": cannot be read: ", reason(errno));
  require(S_ISREG(status.st_mode), name, ": is not a plain file");
  const auto size = static_cast<uint64_t>(status.st_size);
  require(size <= most_bytes, name, ": ", size, " bytes, more than the ", most_bytes, " expected");
  std::vector<uint8_t> bytes(size);
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::read(descriptor, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    require(n >= 0, name, ": cannot be read: ", reason(errno));
    require(n > 0, name, ": became shorter while it was read");
    done += static_cast<size_t>(n);
  }
  return bytes;
}

void make_folders(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  require(!error, printable(path), ": cannot be made: ", error.message());
}

void write_file(const fs::path& path, std::span<const uint8_t> bytes) {
  AtomicFile file(path.string(), bytes.size());
  file.write(bytes.data(), bytes.size());
  file.commit();
}

ScratchFolder::ScratchFolder(const fs::path& parent, const std::string& stem) {
  make_folders(parent);
  remove_leftovers(parent, stem);
  // A second folder of this process under the same stem gets a number of its own.
  std::error_code error;
  path_ = parent / (stem + "-" + std::to_string(::getpid()));
  for (int i = 2; !fs::create_directory(path_, error) && !error && i < 1000; ++i) {
    path_ = parent / (stem + "-" + std::to_string(::getpid()) + "." + std::to_string(i));
  }
  require(!error, printable(path_), ": cannot be made: ", error.message());
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace bonsai
