#include "data/archive.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <string>

#include "data/files.h"
#include "data/process.h"
#include "engine/error.h"

namespace bonsai {
namespace fs = std::filesystem;
namespace {

enum class Packing { none, gzip, xz };

// By the file's first bytes: names may lie.
Packing packing(const fs::path& archive) {
  std::ifstream file(archive, std::ios::binary);
  require(file.is_open(), printable(archive), ": cannot be read");
  std::array<char, 6> magic{};
  file.read(magic.data(), magic.size());
  const std::string_view bytes(magic.data(), static_cast<size_t>(file.gcount()));
  if (bytes.starts_with("\x1F\x8B")) return Packing::gzip;
  if (bytes == std::string_view("\xFD"
                                "7zXZ\0",
                                6)) {
    return Packing::xz;
  }
  return Packing::none;
}

// A plain tar file that was cut off between two of its members looks whole to tar; only the two
// empty blocks at its end show that nothing is missing.
void require_end_blocks(const fs::path& archive) {
  constexpr int end_bytes = 1024;
  std::ifstream file(archive, std::ios::binary | std::ios::ate);
  std::array<char, end_bytes> end{};
  const bool long_enough = file.is_open() && file.tellg() >= end_bytes;
  if (long_enough) {
    file.seekg(-end_bytes, std::ios::end);
    file.read(end.data(), end.size());
  }
  require(long_enough && file && std::all_of(end.begin(), end.end(), [](char c) { return c == 0; }),
          printable(archive), ": is no tar archive, or is cut off");
}

void require_program(const std::string& program, const fs::path& archive) {
  try {
    run_program({program, "--version"});
  } catch (const Error&) {
    throw Error(join(printable(archive), ": ", program, " is needed to unpack it; install it"));
  }
}

}  // namespace

bool is_archive_name(const fs::path& path) {
  const std::string name = path.filename().string();
  constexpr std::array<std::string_view, 4> endings{".tar", ".tar.gz", ".tgz", ".tar.xz"};
  return std::any_of(endings.begin(), endings.end(),
                     [&](std::string_view ending) { return name.ends_with(ending); });
}

void unpack_archive(const fs::path& archive, const fs::path& into) {
  const Packing kind = packing(archive);
  require_program("tar", archive);
  if (kind == Packing::none) require_end_blocks(archive);
  if (kind == Packing::gzip) require_program("gzip", archive);
  if (kind == Packing::xz) require_program("xz", archive);
  // The archive comes through standard input: tar would take host:path for another machine.
  const std::string mode = kind == Packing::gzip ? "-xzf" : kind == Packing::xz ? "-xJf" : "-xf";
  const ProgramResult tar = run_program(
      {"tar", mode, "-", "-C", into.string(), "--no-same-owner", "--no-same-permissions"}, archive);
  require(tar.status == 0, printable(archive),
          ": cannot be unpacked, it may be cut off or damaged: ", printable_text(tar.first_line()));
}

}  // namespace bonsai
