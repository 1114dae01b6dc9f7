// A new empty folder that goes when the test ends.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "engine/error.h"

namespace bonsai {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "bonsai-test-XXXXXX").string();
    require(mkdtemp(name.data()) != nullptr, name, ": cannot be made");
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace bonsai
