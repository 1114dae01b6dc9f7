// A file that is written whole or not at all. Bytes go to a temporary in the same folder
// (<path>.tmp.<process>); commit() flushes it to the disk, renames it over the old file and
// flushes the folder. Whatever stops the program before that, the old file stays as it was; a
// temporary left behind is removed when the same file is next written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace bonsai {

class AtomicFile {
 public:
  // `bytes`: what will be written in all, for the error when the disk is full.
  AtomicFile(std::string path, uint64_t bytes);
  ~AtomicFile();  // without a commit: removes the temporary
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, size_t bytes);
  void commit();

 private:
  [[noreturn]] void fail(const char* step, int error) const;

  std::string path_, temporary_;
  uint64_t bytes_;
  int file_ = -1;
};

}  // namespace bonsai
