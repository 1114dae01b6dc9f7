#include "apps/files.h"

#include <fstream>
#include <sstream>

#include "engine/atomic_file.h"
#include "engine/error.h"

namespace bonsai::app {

void make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  require(!error && std::filesystem::is_directory(folder), folder.string(),
          ": cannot make this folder: ", error ? error.message() : "it is a file");
}

void write_text(const std::filesystem::path& path, const std::string& text) {
  AtomicFile file(path.string(), text.size());
  file.write(text.data(), text.size());
  file.commit();
}

std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  // Reading a folder opens, then fails.
  require(file && (text << file.rdbuf() || file.peek() == EOF), path.string(), ": cannot read");
  return text.str();
}

}  // namespace bonsai::app
