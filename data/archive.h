// Archives (.tar, .tar.gz, .tgz, .tar.xz) are unpacked by the system's tar.
#pragma once

#include <filesystem>

namespace bonsai {

bool is_archive_name(const std::filesystem::path& path);

// Into an existing folder. Throws Error, naming the archive, when it is cut off or damaged, or
// when tar or the decompressor is not installed; `into` may hold a part of the files then.
void unpack_archive(const std::filesystem::path& archive, const std::filesystem::path& into);

}  // namespace bonsai
