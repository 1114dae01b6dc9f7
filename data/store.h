// Decoded pictures in one file, so that the next run starts at once. Layout (little-endian): the
// magic "BONSAIPX", a version, the length of the head; the head: key, class names, unreadable
// pictures, notes, the counts and sizes; labels and pixels of both parts; a hash of all before.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "data/dataset.h"

namespace bonsai {

// `key` says what the pictures were made from.
void store_pictures(const std::filesystem::path& path, const std::string& key, const Dataset& data);

// Nothing when there is no such file, or it was made from something else, or is not whole: what a
// file says is believed only after every length and the hash have been checked.
std::optional<Dataset> stored_pictures(const std::filesystem::path& path, const std::string& key);

}  // namespace bonsai
