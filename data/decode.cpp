#include <algorithm>

#include "data/files.h"
#include "data/folder.h"
#include "data/image.h"
#include "engine/error.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

// Why the picture could not be read; empty when it is in `pixels` now.
std::string decode_into(const std::filesystem::path& path, int height, int width, uint8_t* pixels) {
  try {
    const Picture picture = fit(read_image(path), height, width);
    std::copy(picture.pixels.begin(), picture.pixels.end(), pixels);
    return {};
  } catch (const Error& error) {
    // The text begins with the whole path; the list of bad pictures has it already, and shorter.
    const std::string text = error.what(), prefix = printable(path) + ": ";
    return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
  }
}

// Closes the gaps that unreadable pictures left.
void drop(Images& images, const std::vector<std::string>& reasons) {
  int kept = 0;
  for (int i = 0; i < images.count(); ++i) {
    if (!reasons[static_cast<size_t>(i)].empty()) continue;
    if (kept != i) std::copy_n(images.image(i), images.image_bytes(), images.image(kept));
    images.labels[static_cast<size_t>(kept++)] = images.labels[static_cast<size_t>(i)];
  }
  images.labels.resize(static_cast<size_t>(kept));
  images.pixels.resize(static_cast<size_t>(kept) * images.image_bytes());
}

Images decode(const std::filesystem::path& root, const std::vector<PictureFile>& files, int height,
              int width, std::vector<BadImage>& bad, const std::function<void(int64_t)>& decoded) {
  Images images = make_images(static_cast<int>(files.size()), height, width);
  std::vector<std::string> reasons(files.size());
  constexpr size_t block = 512;  // progress is told between blocks, on the calling thread
  for (size_t first = 0; first < files.size(); first += block) {
    const size_t n = std::min(block, files.size() - first);
    parallel_chunks(static_cast<int64_t>(n), [&](int64_t chunk) {
      const size_t i = first + static_cast<size_t>(chunk);
      images.labels[i] = files[i].label;
      reasons[i] =
          decode_into(root / files[i].path, height, width, images.image(static_cast<int>(i)));
    });
    decoded(static_cast<int64_t>(first + n));
  }
  for (size_t i = 0; i < files.size(); ++i) {
    if (!reasons[i].empty()) bad.push_back({printable_text(files[i].path), reasons[i]});
  }
  drop(images, reasons);
  return images;
}

}  // namespace

Dataset decode_folder(const FolderListing& listing, int height, int width,
                      const ProgressCallback& progress) {
  const auto train = static_cast<int64_t>(listing.train.size());
  const auto total = train + static_cast<int64_t>(listing.test.size());
  const auto report = [&](int64_t before) {
    return [&progress, total, before](int64_t done) {
      if (progress) progress({"decoding pictures", before + done, total});
    };
  };
  Dataset data;
  data.classes = listing.classes;
  data.notes = listing.notes;
  data.skipped = listing.other_kinds;
  data.train = decode(listing.root, listing.train, height, width, data.skipped, report(0));
  data.test = decode(listing.root, listing.test, height, width, data.skipped, report(train));
  return data;
}

}  // namespace bonsai
