// Decoded pictures in one file, so that the next run starts at once. Layout (little-endian; a text
// is its length and its bytes, numbers have 64 bits): the magic "BONSAIPX", the version, the key,
// class names, unreadable pictures, notes, counts and sizes, labels (32 bits each) and pixels of
// both parts, and the CRC-64 of all before.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "data/dataset.h"

namespace bonsai {

// `key` says what the pictures were made from.
void store_pictures(const std::filesystem::path& path, const std::string& key, const Dataset& data);

// Nothing when there is no such file, or it was made from something else, or is not whole: what a
// file says is believed only after every length and the checksum have been checked.
std::optional<Dataset> stored_pictures(const std::filesystem::path& path, const std::string& key);

}  // namespace bonsai
