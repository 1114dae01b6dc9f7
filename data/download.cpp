#include "data/download.h"

#include <cstdlib>
#include <fstream>
#include <string_view>

#include "data/files.h"
#include "data/md5.h"
#include "data/process.h"
#include "engine/error.h"

namespace bonsai {
namespace fs = std::filesystem;
namespace {

constexpr const char* cifar10_md5 = "c32a1d4ab5d03f1284b67883e8d87530";

// curl's exit statuses that have an answer of their own (man curl, EXIT CODES).
constexpr int http_error = 22, cut_off = 18, cannot_resume = 33, bad_range = 36;

int64_t size_or_zero(const fs::path& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  return error ? 0 : static_cast<int64_t>(size);
}

// What the last answer among the headers said is still to come; 0 when it did not say.
int64_t announced_bytes(const fs::path& headers) {
  constexpr std::string_view key = "content-length:";
  std::ifstream file(headers);
  int64_t bytes = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.size() <= key.size()) continue;
    std::string name = line.substr(0, key.size());
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (name == key) bytes = std::strtoll(line.c_str() + key.size(), nullptr, 10);
  }
  return bytes;
}

ProgramResult fetch(const std::string& url, const fs::path& part,
                    const ProgressCallback& progress) {
  struct Headers {
    fs::path path;
    ~Headers() {
      std::error_code ignored;
      fs::remove(path, ignored);
    }
  } const headers{fs::path(part) += ".headers"};
  const int64_t there = size_or_zero(part);
  const auto report = [&] {
    if (!progress) return;
    const int64_t coming = announced_bytes(headers.path);
    progress({"downloading", size_or_zero(part), coming > 0 ? there + coming : 0});
  };
  // A transfer that has stood still for a minute has failed.
  return run_program(
      {"curl", "--fail", "--location", "--silent", "--show-error", "--connect-timeout", "30",
       "--speed-limit", "1", "--speed-time", "60", "--dump-header", headers.path.string(),
       "--continue-at", "-", "--output", part.string(), "--", url},
      {}, report);
}

// Adds what is missing to the partial file; its checksum then. A server that cannot go on from
// there gives an empty one.
std::string fetch_checked(const std::string& url, const fs::path& part,
                          const ProgressCallback& progress) {
  const bool resumed = size_or_zero(part) > 0;
  const ProgramResult curl = fetch(url, part, progress);
  const bool not_from_there =
      curl.status == cannot_resume || curl.status == bad_range || curl.status == http_error;
  if (resumed && not_from_there) return "";
  require(curl.status != cut_off, "download: ", url, ": the transfer was cut off after ",
          size_or_zero(part), " bytes; the same command goes on from there");
  require(curl.status == 0, "download: ", url, ": ", printable_text(curl.first_line()),
          " (curl exit status ", curl.status, ")");
  return file_md5(part);
}

}  // namespace

void download(const std::string& url, const std::string& md5, const fs::path& destination,
              const ProgressCallback& progress) {
  require(md5.size() == 32, "download: \"", md5, "\" is no MD5 checksum of 32 digits");
  if (fs::exists(destination)) return;
  make_folders(destination.parent_path());
  const fs::path part = fs::path(destination) += ".part";
  const bool resumed = size_or_zero(part) > 0;
  std::string got = resumed ? file_md5(part) : "";
  if (got != md5) got = fetch_checked(url, part, progress);
  if (got != md5 && resumed) {
    // What lay there was no part of this file, or the server could not go on from it.
    fs::remove(part);
    got = fetch_checked(url, part, progress);
  }
  if (got != md5) {
    fs::remove(part);
    throw Error(join("download: ", url, ": checksum (MD5) is ", got, ", should be ", md5,
                     "; the damaged file was removed"));
  }
  std::error_code error;
  fs::rename(part, destination, error);
  require(!error, printable(destination), ": cannot be written: ", error.message());
}

fs::path cifar10_archive(const fs::path& cache) { return cache / "cifar-10-binary.tar.gz"; }

fs::path download_cifar10(const std::string& url, const fs::path& cache,
                          const ProgressCallback& progress) {
  fs::path archive = cifar10_archive(cache);
  download(url, cifar10_md5, archive, progress);
  return archive;
}

}  // namespace bonsai
