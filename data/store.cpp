#include "data/store.h"

#include <fstream>

#include "data/files.h"
#include "engine/atomic_file.h"
#include "engine/byte_reader.h"
#include "engine/crc64.h"
#include "engine/error.h"

namespace bonsai {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view magic = "BONSAIPX";
constexpr uint64_t version = 1;

// Everything before the labels and pixels, as it lies in the file.
class Head {
 public:
  void number(uint64_t v) {
    for (int i = 0; i < 8; ++i) bytes_ += static_cast<char>(v >> (8 * i) & 0xFF);
  }
  void text(std::string_view s) {
    number(s.size());
    bytes_ += s;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

std::string make_head(const std::string& key, const Dataset& data) {
  Head head;
  head.number(version);
  head.text(key);
  head.number(data.classes.size());
  for (const std::string& name : data.classes) head.text(name);
  head.number(data.skipped.size());
  for (const BadImage& bad : data.skipped) {
    head.text(bad.path);
    head.text(bad.reason);
  }
  head.number(data.notes.size());
  for (const std::string& note : data.notes) head.text(note);
  for (const Images* images : {&data.train, &data.test}) {
    for (const int v : {images->count(), images->height, images->width}) {
      head.number(static_cast<uint64_t>(v));
    }
  }
  return std::string(magic) + head.bytes();
}

// Reads, keeps a checksum of what it read, and never allocates more than the file still holds.
class Input {
 public:
  Input(std::istream& in, uint64_t size, const std::string& name) : bytes_(in, size, name) {}

  void read(void* to, size_t n) {
    bytes_.read(to, n, "pictures");
    crc_.update(to, n);
  }
  uint64_t number() {
    uint64_t v = 0;  // little-endian machines only, like the engine's files
    read(&v, sizeof v);
    return v;
  }
  std::string text() {
    const uint64_t n = number();
    require(n <= bytes_.left(), bytes_.name(), ": a text is longer than the file");
    std::string s(static_cast<size_t>(n), '\0');
    read(s.data(), s.size());
    return s;
  }
  int size() {
    const uint64_t v = number();
    require(v <= 0x7FFFFFFF, bytes_.name(), ": a size of ", v);
    return static_cast<int>(v);
  }
  uint64_t left() const { return bytes_.left(); }
  uint64_t checksum() const { return crc_.value(); }

 private:
  ByteReader bytes_;
  Crc64 crc_;
};

uint64_t stored_bytes(uint64_t count, uint64_t height, uint64_t width) {
  uint64_t pixels = 0;
  require(!__builtin_mul_overflow(height * width, count, &pixels) && pixels < uint64_t{1} << 50,
          "stored pictures: impossible sizes");
  return pixels * 3 + count * sizeof(int);
}

void read_part(Input& input, Images& images, size_t classes) {
  input.read(images.labels.data(), images.labels.size() * sizeof(int));
  for (const int label : images.labels) {
    require(label >= 0 && static_cast<size_t>(label) < classes, "stored pictures: class ", label);
  }
  input.read(images.pixels.data(), images.pixels.size());
}

void read_texts(Input& input, Dataset& data) {
  for (uint64_t n = input.number(); n > 0; --n) data.classes.push_back(input.text());
  for (uint64_t n = input.number(); n > 0; --n) {
    BadImage bad;
    bad.path = input.text();
    bad.reason = input.text();
    data.skipped.push_back(std::move(bad));
  }
  for (uint64_t n = input.number(); n > 0; --n) data.notes.push_back(input.text());
}

Dataset read_stored(const fs::path& path, const std::string& key) {
  std::ifstream file(path, std::ios::binary);
  std::error_code error;  // another process may have removed it
  const auto bytes = fs::file_size(path, error);
  require(!error, printable(path), ": cannot be read: ", error.message());
  Input input(file, bytes, printable(path));
  std::string start(magic.size(), '\0');
  input.read(start.data(), start.size());
  require(start == magic && input.number() == version, "stored pictures: another kind of file");
  require(input.text() == key, "stored pictures: made from something else");
  Dataset data;
  read_texts(input, data);
  int sizes[2][3];
  uint64_t expected = 8;
  for (auto& s : sizes) {
    for (int& v : s) v = input.size();
    expected += stored_bytes(static_cast<uint64_t>(s[0]), static_cast<uint64_t>(s[1]),
                             static_cast<uint64_t>(s[2]));
  }
  require(input.left() == expected, "stored pictures: cut off");
  data.train = make_images(sizes[0][0], sizes[0][1], sizes[0][2]);
  data.test = make_images(sizes[1][0], sizes[1][1], sizes[1][2]);
  read_part(input, data.train, data.classes.size());
  read_part(input, data.test, data.classes.size());
  const uint64_t checksum = input.checksum();
  require(input.number() == checksum, "stored pictures: wrong checksum");
  return data;
}

}  // namespace

void store_pictures(const fs::path& path, const std::string& key, const Dataset& data) {
  make_folders(path.parent_path());
  const std::string head = make_head(key, data);
  uint64_t bytes = head.size() + 8;
  for (const Images* part : {&data.train, &data.test}) {
    bytes += part->labels.size() * sizeof(int) + part->pixels.size();
  }
  AtomicFile file(path.string(), bytes);
  Crc64 crc;
  const auto put = [&](const void* from, size_t n) {
    file.write(from, n);
    crc.update(from, n);
  };
  put(head.data(), head.size());
  for (const Images* part : {&data.train, &data.test}) {
    put(part->labels.data(), part->labels.size() * sizeof(int));
    put(part->pixels.data(), part->pixels.size());
  }
  const uint64_t checksum = crc.value();
  file.write(&checksum, sizeof checksum);
  file.commit();
}

std::optional<Dataset> stored_pictures(const fs::path& path, const std::string& key) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return {};
  try {
    return read_stored(path, key);
  } catch (const Error&) {
    return {};  // made anew from the source
  }
}

}  // namespace bonsai
