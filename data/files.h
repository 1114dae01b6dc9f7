// Small helpers round files: read whole, named in messages, folders that go away with their owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bonsai {

// The text with control characters and bytes that are not UTF-8 written as \xNN: safe to print and
// to put into JSON, whatever a file is called.
std::string printable_text(std::string_view text);
std::string printable(const std::filesystem::path& path);

// Throws Error, naming the file, when it is missing, not a plain file, unreadable or larger.
std::vector<uint8_t> read_file(const std::filesystem::path& path, uint64_t most_bytes);

void make_folders(const std::filesystem::path& path);

// Whole or not at all.
void write_file(const std::filesystem::path& path, std::span<const uint8_t> bytes);

// <parent>/<stem>-<process>, empty at first and removed with its content at the end. What a killed
// process left under the same stem is removed too.
class ScratchFolder {
 public:
  ScratchFolder(const std::filesystem::path& parent, const std::string& stem);
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace bonsai
