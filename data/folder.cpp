#include "data/folder.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>

#include "data/files.h"
#include "data/hash.h"
#include "engine/error.h"
#include "engine/random.h"

namespace bonsai {
namespace fs = std::filesystem;
namespace {

std::string extension(const fs::path& path) {
  std::string text = path.extension().string();
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

template <size_t N>
bool one_of(std::string_view text, const std::array<std::string_view, N>& choices) {
  return std::find(choices.begin(), choices.end(), text) != choices.end();
}

bool is_read(const fs::path& path) {
  static constexpr std::array<std::string_view, 4> read{".jpg", ".jpeg", ".png", ".bmp"};
  return one_of(extension(path), read);
}

bool is_other_picture(const fs::path& path) {
  static constexpr std::array<std::string_view, 14> other{
      ".gif", ".webp", ".tif", ".tiff", ".heic", ".heif", ".avif",
      ".jp2", ".jxl",  ".psd", ".tga",  ".ppm",  ".pgm",  ".svg"};
  return one_of(extension(path), other);
}

bool is_folder(const fs::path& path) {
  std::error_code error;  // a link in a circle is no folder
  return fs::is_directory(path, error);
}

// By byte order; without hidden ones and what archives from other systems bring along.
std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with('.') && name != "__MACOSX") found.push_back(it->path());
  }
  require(!error, printable(folder), ": cannot be read: ", error.message());
  std::sort(found.begin(), found.end(),
            [](const fs::path& a, const fs::path& b) { return a.native() < b.native(); });
  return found;
}

std::vector<fs::path> folders_in(const fs::path& folder) {
  std::vector<fs::path> found = entries(folder);
  std::erase_if(found, [](const fs::path& path) { return !is_folder(path); });
  return found;
}

// Pictures below `folder` at any depth. Links to folders are followed, but not back to a folder
// on the way here.
void collect(const fs::path& folder, int label, std::vector<fs::path>& way, FolderListing& listing,
             std::vector<PictureFile>& pictures) {
  const fs::path real = fs::canonical(folder);
  if (std::find(way.begin(), way.end(), real) != way.end()) return;
  way.push_back(real);
  for (const fs::path& path : entries(folder)) {
    const std::string name = path.lexically_relative(listing.root).string();
    if (is_folder(path)) {
      collect(path, label, way, listing, pictures);
    } else if (is_read(path)) {
      pictures.push_back({name, label});
    } else if (is_other_picture(path)) {
      listing.other_kinds.push_back(
          {printable_text(name), extension(path).substr(1) + " pictures are not read"});
    }
  }
  way.pop_back();
}

std::vector<PictureFile> collect_classes(const std::vector<fs::path>& classes,
                                         FolderListing& listing) {
  std::vector<PictureFile> pictures;
  for (size_t i = 0; i < classes.size(); ++i) {
    const size_t before = pictures.size(), others = listing.other_kinds.size();
    std::vector<fs::path> way;
    collect(classes[i], static_cast<int>(i), way, listing, pictures);
    if (pictures.size() > before) continue;
    const bool other = listing.other_kinds.size() > others;
    throw Error(join(printable(classes[i]),
                     ": class folder without a picture (jpg, jpeg, png, bmp)",
                     other ? ", only " + listing.other_kinds[others].path + " and the like" : ""));
  }
  return pictures;
}

std::vector<std::string> names_of(const std::vector<fs::path>& folders) {
  std::vector<std::string> names;
  names.reserve(folders.size());
  for (const fs::path& folder : folders) names.push_back(printable(folder.filename()));
  return names;
}

void require_same_classes(const FolderListing& listing, const fs::path& test,
                          const std::vector<std::string>& test_classes) {
  for (const std::string& name : listing.classes) {
    require(std::binary_search(test_classes.begin(), test_classes.end(), name), printable(test),
            ": has no class folder \"", name, "\", the training part has");
  }
  for (const std::string& name : test_classes) {
    require(std::binary_search(listing.classes.begin(), listing.classes.end(), name),
            printable(test), ": has a class folder \"", name, "\", the training part has not");
  }
}

std::optional<fs::path> test_folder(const fs::path& root) {
  for (const char* name : {"test", "val", "valid", "validation"}) {
    if (is_folder(root / name)) return root / name;
  }
  return {};
}

// Moves a seeded fifth of each class from `train` to `test`.
void split(FolderListing& listing, uint64_t seed) {
  std::vector<PictureFile> all = std::exchange(listing.train, {});
  for (auto first = all.begin(); first != all.end();) {
    const int label = first->label;
    const auto last =
        std::find_if(first, all.end(), [label](const PictureFile& f) { return f.label != label; });
    const int n = static_cast<int>(last - first);
    require(n >= 2, printable(listing.root), ": class \"",
            listing.classes[static_cast<size_t>(label)],
            "\" has a single picture; training and test need one each");
    const int tests = std::max(1, (n + 2) / 5);
    const std::vector<int> order =
        permutation(n, Random(seed, Purpose::split, static_cast<uint64_t>(label)));
    std::vector<bool> chosen(static_cast<size_t>(n));
    for (int i = 0; i < tests; ++i)
      chosen[static_cast<size_t>(order[static_cast<size_t>(i)])] = true;
    for (size_t i = 0; first != last; ++first, ++i) {
      (chosen[i] ? listing.test : listing.train).push_back(std::move(*first));
    }
  }
  listing.notes.push_back(join("no test part: ", listing.test.size(), " of ", all.size(),
                               " pictures (a fifth of each class) were set aside for it"));
}

// An archive or a download often wraps everything in one more folder.
fs::path unwrapped(fs::path root) {
  for (;;) {
    const std::vector<fs::path> inside = folders_in(root);
    if (inside.size() != 1 || folders_in(inside[0]).empty()) return root;
    if (inside[0].filename() == "train") return root;
    root = inside[0];
  }
}

}  // namespace

FolderListing list_folder(const fs::path& root, uint64_t seed) {
  require(is_folder(root), printable(root), ": no such folder");
  FolderListing listing;
  listing.root = unwrapped(root);
  const bool parts = is_folder(listing.root / "train");
  const fs::path train = parts ? listing.root / "train" : listing.root;
  const std::vector<fs::path> classes = folders_in(train);
  require(!classes.empty(), printable(train),
          ": no class folders; a dataset is a folder with one folder of pictures per class");
  require(classes.size() >= 2, printable(train), ": only one class folder, \"",
          printable(classes[0].filename()), "\"; at least two are needed");
  listing.classes = names_of(classes);
  listing.train = collect_classes(classes, listing);
  const std::optional<fs::path> test = parts ? test_folder(listing.root) : std::nullopt;
  if (!test) {
    split(listing, seed);
    return listing;
  }
  const std::vector<fs::path> test_classes = folders_in(*test);
  require_same_classes(listing, *test, names_of(test_classes));
  listing.test = collect_classes(test_classes, listing);
  return listing;
}

uint64_t listing_hash(const FolderListing& listing) {
  Hash hash;
  for (const std::string& name : listing.classes) hash.add(name);
  for (const auto* part : {&listing.train, &listing.test}) {
    hash.add(static_cast<uint64_t>(part->size()));
    for (const PictureFile& file : *part) {
      struct stat status {};
      ::stat((listing.root / file.path).c_str(), &status);  // all zero when it is gone
      hash.add(file.path).add(static_cast<uint64_t>(file.label));
      hash.add(static_cast<uint64_t>(status.st_size));
      hash.add(static_cast<uint64_t>(status.st_mtime));
    }
  }
  for (const BadImage& other : listing.other_kinds) hash.add(other.path);
  return hash.value();
}

}  // namespace bonsai
