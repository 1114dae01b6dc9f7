#include "engine/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "engine/error.h"

namespace bonsai {
namespace {

namespace fs = std::filesystem;

fs::path folder_of(const std::string& path) {
  const fs::path folder = fs::path(path).parent_path();
  return folder.empty() ? fs::path(".") : folder;
}

// The process that writes "<prefix><digits>" is gone, or is this one and has given up.
bool is_stale(const std::string& name, const std::string& prefix) {
  if (name.size() <= prefix.size() || name.compare(0, prefix.size(), prefix) != 0) return false;
  const std::string digits = name.substr(prefix.size());
  if (digits.size() > 9 || digits.find_first_not_of("0123456789") != std::string::npos) {
    return false;
  }
  const pid_t process = static_cast<pid_t>(std::stol(digits));
  return process == getpid() || (kill(process, 0) != 0 && errno == ESRCH);
}

void remove_stale_temporaries(const std::string& path) {
  const std::string prefix = fs::path(path).filename().string() + ".tmp.";
  std::error_code ignored;  // what cannot be listed or removed shows itself when we write
  for (const auto& entry : fs::directory_iterator(folder_of(path), ignored)) {
    if (is_stale(entry.path().filename().string(), prefix)) fs::remove(entry.path(), ignored);
  }
}

// Makes the rename itself durable. File systems that cannot flush a folder say EINVAL.
int flush_folder(const std::string& path) {
  const int folder = open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return errno;
  const int error = fsync(folder) == 0 || errno == EINVAL ? 0 : errno;
  close(folder);
  return error;
}

}  // namespace

AtomicFile::AtomicFile(std::string path, uint64_t bytes)
    : path_(std::move(path)), temporary_(join(path_, ".tmp.", getpid())), bytes_(bytes) {
  struct stat old {};
  const bool exists = stat(path_.c_str(), &old) == 0;
  require(!exists || S_ISREG(old.st_mode), path_,
          ": cannot be written: it exists and is not a regular file");
  remove_stale_temporaries(path_);
  file_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file_ < 0) fail("create", errno);
  if (exists) (void)!fchmod(file_, old.st_mode & 07777);  // best effort: keeps who may read it
}

AtomicFile::~AtomicFile() {
  if (file_ < 0) return;
  close(file_);
  unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, size_t bytes) {
  const auto* p = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::write(file_, p, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail("write", written < 0 ? errno : ENOSPC);
    p += written;
    bytes -= static_cast<size_t>(written);
  }
}

void AtomicFile::commit() {
  if (fsync(file_) != 0) fail("flush", errno);
  const int closed = close(std::exchange(file_, -1));
  const int error = closed == 0 && std::rename(temporary_.c_str(), path_.c_str()) == 0 ? 0 : errno;
  if (error != 0) {
    unlink(temporary_.c_str());
    fail("replace", error);
  }
  if (const int flushed = flush_folder(path_); flushed != 0) fail("flush the folder of", flushed);
}

void AtomicFile::fail(const char* step, int error) const {
  std::error_code unknown;
  const fs::space_info space = fs::space(folder_of(path_), unknown);
  throw Error(join(path_, ": cannot ", step, " it: ", std::generic_category().message(error), " (",
                   bytes_, " bytes needed, ", unknown ? "unknown" : std::to_string(space.available),
                   " free)"));
}

}  // namespace bonsai
