// Pictures in class folders: <root>/train/<class>/... and <root>/test/<class>/... (or val, valid,
// validation), or <root>/<class>/... alone, which is split here. Class folders sort by byte order;
// pictures are found at any depth below them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace bonsai {

struct PictureFile {
  std::string path;  // below the root
  int label = 0;
};

struct FolderListing {
  std::filesystem::path root;
  std::vector<std::string> classes;
  std::vector<PictureFile> train, test;
  std::vector<BadImage> other_kinds;  // GIF, WebP, ...: pictures, but none that can be read
  std::vector<std::string> notes;
};

// Throws Error for a missing or empty folder, a class without pictures, or class folders of the
// test part that are not those of the training part. Without a test part a fifth of each class is
// chosen for it by the seed.
FolderListing list_folder(const std::filesystem::path& root, uint64_t seed);

// Changes when a picture is added, removed or written again, or another split is made.
uint64_t listing_hash(const FolderListing& listing);

// Decodes every picture in parallel, cropped and resized to one size. Unreadable ones are left out
// and listed in Dataset::skipped. Without statistics.
Dataset decode_folder(const FolderListing& listing, int height, int width,
                      const ProgressCallback& progress);

}  // namespace bonsai
