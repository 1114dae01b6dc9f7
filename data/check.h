// Reads every picture of a dataset, whatever was stored of it before, and lists the bad ones.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace bonsai {

struct DataCheck {
  std::vector<std::string> classes;
  int64_t pictures = 0;  // good and bad
  std::vector<BadImage> bad;
  std::vector<std::string> notes;
};

// Throws Error for what load_dataset cannot use at all: no folder, no classes, a broken archive.
DataCheck check_dataset(const std::string& where, const DataOptions& options = {});

}  // namespace bonsai
