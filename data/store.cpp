#include "data/store.h"

#include <algorithm>
#include <cstring>
#include <fstream>

#include "data/files.h"
#include "data/hash.h"
#include "engine/error.h"

namespace bonsai {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view magic = "BONSAIPX";
constexpr uint64_t version = 1;
constexpr uint64_t most_head_bytes = uint64_t{64} << 20;

class HeadWriter {
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

// Throws Error instead of reading past the end.
class HeadReader {
 public:
  explicit HeadReader(std::string_view bytes) : left_(bytes) {}

  uint64_t number() {
    const std::string_view s = take(8);
    uint64_t v = 0;
    for (size_t i = 0; i < 8; ++i) v |= uint64_t{static_cast<uint8_t>(s[i])} << (8 * i);
    return v;
  }
  int small_number() {
    const uint64_t v = number();
    require(v <= 0x7FFFFFFF, "stored pictures: number too large");
    return static_cast<int>(v);
  }
  std::string text() { return std::string(take(number())); }
  void require_end() const { require(left_.empty(), "stored pictures: head too long"); }

 private:
  std::string_view take(uint64_t n) {
    require(n <= left_.size(), "stored pictures: head too short");
    const std::string_view s = left_.substr(0, static_cast<size_t>(n));
    left_.remove_prefix(static_cast<size_t>(n));
    return s;
  }

  std::string_view left_;
};

std::string make_head(const std::string& key, const Dataset& data) {
  HeadWriter head;
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
    head.number(static_cast<uint64_t>(images->count()));
    head.number(static_cast<uint64_t>(images->height));
    head.number(static_cast<uint64_t>(images->width));
  }
  return head.bytes();
}

uint64_t payload_bytes(uint64_t count, uint64_t height, uint64_t width) {
  uint64_t bytes = 0;
  const bool fits = !__builtin_mul_overflow(height * width, count, &bytes) && bytes < uint64_t{1}
                                                                                          << 50;
  require(fits, "stored pictures: impossible size");
  return bytes * 3 + count * 4;
}

class Input {
 public:
  explicit Input(const fs::path& path) : file_(path, std::ios::binary) {
    require(file_.is_open(), "stored pictures: none");
  }
  void read(void* data, size_t bytes) {
    file_.read(static_cast<char*>(data), static_cast<std::streamsize>(bytes));
    require(static_cast<size_t>(file_.gcount()) == bytes, "stored pictures: cut off");
    hash_.add(data, bytes);
  }
  std::string text(uint64_t bytes) {
    std::string s(static_cast<size_t>(bytes), '\0');
    read(s.data(), s.size());
    return s;
  }
  uint64_t number() { return HeadReader(text(8)).number(); }
  uint64_t hash() const { return hash_.value(); }

 private:
  std::ifstream file_;
  Hash hash_;
};

std::string label_bytes(const Images& images) {
  std::string bytes;
  for (const int label : images.labels) {
    for (int i = 0; i < 4; ++i) bytes += static_cast<char>(label >> (8 * i) & 0xFF);
  }
  return bytes;
}

void read_images(Input& input, Images& images, size_t classes) {
  const std::string labels = input.text(images.labels.size() * 4);
  for (size_t i = 0; i < images.labels.size(); ++i) {
    uint32_t label = 0;
    for (size_t k = 0; k < 4; ++k) {
      label |= static_cast<uint32_t>(static_cast<uint8_t>(labels[4 * i + k])) << (8 * k);
    }
    require(label < classes, "stored pictures: class ", label, " of ", classes);
    images.labels[i] = static_cast<int>(label);
  }
  input.read(images.pixels.data(), images.pixels.size());
}

Dataset read_stored(const fs::path& path, const std::string& key) {
  const uint64_t size = fs::file_size(path);
  Input input(path);
  require(input.text(magic.size()) == magic, "stored pictures: another kind of file");
  require(input.number() == version, "stored pictures: another version");
  const uint64_t head_bytes = input.number();
  require(head_bytes <= most_head_bytes && head_bytes <= size, "stored pictures: head too long");
  const std::string head_text = input.text(head_bytes);
  HeadReader head(head_text);
  require(head.text() == key, "stored pictures: made from something else");
  Dataset data;
  for (uint64_t n = head.number(); n > 0; --n) data.classes.push_back(head.text());
  for (uint64_t n = head.number(); n > 0; --n) {
    BadImage bad;
    bad.path = head.text();
    bad.reason = head.text();
    data.skipped.push_back(std::move(bad));
  }
  for (uint64_t n = head.number(); n > 0; --n) data.notes.push_back(head.text());
  int sizes[2][3];
  uint64_t expected = magic.size() + 16 + head_bytes + 8;
  for (auto& s : sizes) {
    for (int& v : s) v = head.small_number();
    expected += payload_bytes(static_cast<uint64_t>(s[0]), static_cast<uint64_t>(s[1]),
                              static_cast<uint64_t>(s[2]));
  }
  head.require_end();
  require(size == expected, "stored pictures: ", size, " bytes, should be ", expected);
  data.train = make_images(sizes[0][0], sizes[0][1], sizes[0][2]);
  data.test = make_images(sizes[1][0], sizes[1][1], sizes[1][2]);
  read_images(input, data.train, data.classes.size());
  read_images(input, data.test, data.classes.size());
  const uint64_t hash = input.hash();
  require(input.number() == hash, "stored pictures: wrong checksum");
  return data;
}

}  // namespace

void store_pictures(const fs::path& path, const std::string& key, const Dataset& data) {
  make_folders(path.parent_path());
  AtomicFile file(path);
  Hash hash;
  const auto put = [&](const void* bytes, size_t n) {
    file.write(bytes, n);
    hash.add(bytes, n);
  };
  const auto put_number = [&](uint64_t v) {
    HeadWriter writer;
    writer.number(v);
    put(writer.bytes().data(), 8);
  };
  const std::string head = make_head(key, data);
  put(magic.data(), magic.size());
  put_number(version);
  put_number(head.size());
  put(head.data(), head.size());
  for (const Images* images : {&data.train, &data.test}) {
    const std::string labels = label_bytes(*images);
    put(labels.data(), labels.size());
    put(images->pixels.data(), images->pixels.size());
  }
  put_number(hash.value());
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
