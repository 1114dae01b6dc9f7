// Small text files and folders of a run.
#pragma once

#include <filesystem>
#include <string>

namespace bonsai::app {

// Makes the folder and those above it. Throws Error when something else is in the way.
void make_folder(const std::filesystem::path& folder);
// Written whole or not at all.
void write_text(const std::filesystem::path& path, const std::string& text);
std::string read_text(const std::filesystem::path& path);

}  // namespace bonsai::app
