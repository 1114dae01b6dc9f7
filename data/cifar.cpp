#include "data/cifar.h"

#include <algorithm>
#include <sstream>

#include "data/files.h"
#include "engine/error.h"

namespace bonsai {
namespace fs = std::filesystem;
namespace {

constexpr int side = 32, plane = side * side, record = 1 + 3 * plane, class_count = 10;
constexpr uint64_t most_bytes = uint64_t{1} << 30;

std::string batch_name(int i) { return "data_batch_" + std::to_string(i) + ".bin"; }

void append(const fs::path& path, Images& images) {
  const std::vector<uint8_t> bytes = read_file(path, most_bytes);
  require(!bytes.empty() && bytes.size() % record == 0, printable(path), ": ", bytes.size(),
          " bytes are no whole number of records of ", record);
  const auto first = static_cast<size_t>(images.count()), n = bytes.size() / record;
  images.labels.resize(first + n);
  images.pixels.resize((first + n) * images.image_bytes());
  for (size_t i = 0; i < n; ++i) {
    const uint8_t* from = bytes.data() + i * record;
    require(*from < class_count, printable(path), ": record ", i, " has class ",
            static_cast<int>(*from), ", should be 0 to 9");
    images.labels[first + i] = *from++;
    uint8_t* to = images.image(static_cast<int>(first + i));
    for (int p = 0; p < plane; ++p) {
      for (int c = 0; c < 3; ++c) *to++ = from[c * plane + p];
    }
  }
}

void require_balance(const Images& images, const fs::path& folder, const char* part) {
  std::array<int, class_count> counts{};
  for (const int label : images.labels) ++counts[static_cast<size_t>(label)];
  const auto [fewest, most] = std::minmax_element(counts.begin(), counts.end());
  require(*fewest == *most, printable(folder), ": the ", part, " part has ", *fewest,
          " pictures of one class and ", *most,
          " of another, should be equal; files are missing or cut off");
}

std::vector<std::string> class_names(const fs::path& folder) {
  const fs::path path = folder / "batches.meta.txt";
  if (!fs::exists(path)) {
    return {"airplane", "automobile", "bird",  "cat",  "deer",
            "dog",      "frog",       "horse", "ship", "truck"};
  }
  const std::vector<uint8_t> bytes = read_file(path, 4096);
  std::istringstream text(std::string(bytes.begin(), bytes.end()));
  std::vector<std::string> names;
  for (std::string name; text >> name;) names.push_back(printable_text(name));
  require(names.size() == class_count, printable(path), ": ", names.size(),
          " class names, should be ", class_count);
  return names;
}

}  // namespace

bool is_cifar_folder(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(folder / "test_batch.bin", ignored) ||
         fs::exists(folder / batch_name(1), ignored);
}

Dataset read_cifar(const fs::path& folder) {
  Dataset data;
  data.name = "cifar10";
  data.classes = class_names(folder);
  data.train = make_images(0, side, side);
  data.test = make_images(0, side, side);
  for (int i = 1; i <= 5; ++i) append(folder / batch_name(i), data.train);
  append(folder / "test_batch.bin", data.test);
  require_balance(data.train, folder, "training");
  require_balance(data.test, folder, "test");
  return data;
}

}  // namespace bonsai
