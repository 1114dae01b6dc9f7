// From a name or a path to a Dataset: which reader, which stored file, and what to do about
// pictures that cannot be read.
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <utility>

#include "data/archive.h"
#include "data/check.h"
#include "data/cifar.h"
#include "data/dataset.h"
#include "data/download.h"
#include "data/files.h"
#include "data/folder.h"
#include "data/hash.h"
#include "data/store.h"
#include "data/synthetic.h"
#include "engine/error.h"

namespace bonsai {
namespace fs = std::filesystem;
namespace {

constexpr int default_side = 32;

enum class Stored { use, ignore };

struct Size {
  int height, width;
};

Size folder_size(const DataOptions& options) {
  return {options.height > 0 ? options.height : default_side,
          options.width > 0 ? options.width : default_side};
}

// <cache>/<name>-<hash of the key>.pixels
fs::path store_path(const DataOptions& options, const fs::path& source, const std::string& key) {
  char hex[17];
  std::snprintf(hex, sizeof hex, "%016llx",
                static_cast<unsigned long long>(Hash().add(key).value()));
  return options.cache / (source.filename().string() + "-" + hex + ".pixels");
}

// What `make` makes, from the stored file when there is one. That it cannot be stored (a full
// disk, a read-only folder) costs time at the next start but nothing now.
template <class Make>
Dataset stored_or_made(const fs::path& path, const std::string& key, Stored stored,
                       const Make& make) {
  if (stored == Stored::use) {
    if (std::optional<Dataset> data = stored_pictures(path, key)) return std::move(*data);
  }
  Dataset data = make();
  try {
    store_pictures(path, key, data);
  } catch (const Error& error) {
    data.notes.push_back(join("decoded pictures are not kept for the next run: ", error.what()));
  }
  return data;
}

std::string real_path(const fs::path& path) { return fs::canonical(path).string(); }

Dataset read_folder(const fs::path& root, const DataOptions& options, Stored stored) {
  const FolderListing listing = list_folder(root, options.seed);
  const Size size = folder_size(options);
  const std::string key = join("folder ", real_path(root), " ", listing_hash(listing), " ",
                               size.height, "x", size.width);
  const fs::path name = fs::path(real_path(root)).filename();
  return stored_or_made(store_path(options, name, key), key, stored, [&] {
    return decode_folder(listing, size.height, size.width, options.progress);
  });
}

// The one folder that CIFAR's files lie in, at the top or one below.
std::optional<fs::path> cifar_inside(const fs::path& root) {
  if (is_cifar_folder(root)) return root;
  std::error_code error;  // an unreadable folder is reported by the next to look into it
  for (const auto& entry : fs::directory_iterator(root, error)) {
    if (is_cifar_folder(entry.path())) return entry.path();
  }
  return {};
}

// The unpacked files are needed only until they are decoded.
Dataset read_archive(const fs::path& archive, const DataOptions& options, Stored stored) {
  struct stat status {};
  require(::stat(archive.c_str(), &status) == 0, printable(archive), ": cannot be read");
  const Size size = folder_size(options);
  const std::string key =
      join("archive ", real_path(archive), " ", status.st_size, " ", status.st_mtime, " ",
           size.height, "x", size.width, " ", options.seed);
  return stored_or_made(store_path(options, archive.filename(), key), key, stored, [&] {
    const ScratchFolder unpacked(options.cache, "unpacking-" + archive.filename().string());
    if (options.progress) options.progress({"unpacking " + archive.filename().string(), 0, 0});
    unpack_archive(archive, unpacked.path());
    if (const auto cifar = cifar_inside(unpacked.path())) return read_cifar(*cifar);
    try {
      return decode_folder(list_folder(unpacked.path(), options.seed), size.height, size.width,
                           options.progress);
    } catch (const Error& error) {
      throw Error(join(printable(archive), ", unpacked: ", error.what()));
    }
  });
}

Dataset read_source(const std::string& where, const DataOptions& options, Stored stored) {
  const fs::path path = where == "cifar10" ? cifar10_archive(options.cache) : fs::path(where);
  require(where != "cifar10" || fs::exists(path),
          "data: cifar10 is not here yet; run `bonsai data cifar10` to download it (162 MiB)");
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  require(fs::exists(status), "data: ", printable_text(where),
          ": no such file or folder; also known: synthetic, cifar10");
  if (fs::is_directory(status)) {
    const auto cifar = cifar_inside(path);
    return cifar ? read_cifar(*cifar) : read_folder(path, options, stored);
  }
  require(is_archive_name(path), "data: ", printable_text(where),
          ": is no folder and no .tar, .tar.gz, .tgz or .tar.xz archive");
  return read_archive(path, options, stored);
}

std::string list_of(const std::vector<BadImage>& bad) {
  constexpr size_t most = 10;
  std::string text;
  for (size_t i = 0; i < std::min(most, bad.size()); ++i) {
    text += (i > 0 ? ", " : "") + bad[i].path + " (" + bad[i].reason + ")";
  }
  return bad.size() > most ? text + join(", and ", bad.size() - most, " more") : text;
}

void refuse_bad(const Dataset& data, const std::string& where, bool skip_bad) {
  const auto bad = static_cast<int64_t>(data.skipped.size());
  const int64_t all = bad + data.train.count() + data.test.count();
  require(bad == 0 || skip_bad, "data: ", printable_text(where), ": ", bad, " of ", all,
          " pictures cannot be read: ", list_of(data.skipped), "; --skip-bad leaves them out");
  require(bad * 100 <= all, "data: ", printable_text(where), ": ", bad, " of ", all,
          " pictures cannot be read, more than 1 %: ", list_of(data.skipped));
}

}  // namespace

Dataset load_dataset(const std::string& where, const DataOptions& options) {
  require(options.height >= 0 && options.width >= 0, "data: pictures of ", options.height, "x",
          options.width, " pixels");
  if (where == "synthetic") return synthetic_dataset(options);
  Dataset data = read_source(where, options, Stored::use);
  refuse_bad(data, where, options.skip_bad);
  data.name = where == "cifar10" ? where : printable(fs::path(real_path(where)).filename());
  for (Images* part : {&data.train, &data.test}) {
    const int most = part == &data.train ? options.train_images : options.test_images;
    *part = subset(std::move(*part), most, options.seed);
    const int height = options.height > 0 ? options.height : part->height;
    const int width = options.width > 0 ? options.width : part->width;
    *part = resized(std::move(*part), height, width);
  }
  const PixelStatistics statistics = pixel_statistics(data.train);
  data.mean = statistics.mean;
  data.std = statistics.deviation;
  return data;
}

DataCheck check_dataset(const std::string& where, const DataOptions& options) {
  DataCheck check;
  if (where == "synthetic") return check;
  Dataset data = read_source(where, options, Stored::ignore);
  check.pictures =
      static_cast<int64_t>(data.skipped.size()) + data.train.count() + data.test.count();
  check.bad = std::move(data.skipped);
  check.notes = std::move(data.notes);
  check.classes = std::move(data.classes);
  return check;
}

}  // namespace bonsai
