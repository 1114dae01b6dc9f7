// Reads bytes that nobody vouches for: every length is compared with what is left before it is
// used, and every error names the file and the field.
#pragma once

#include <cstdint>
#include <istream>
#include <string>
#include <string_view>

#include "engine/error.h"

namespace bonsai {

class ByteReader {
 public:
  // `in` holds `size` bytes; `name` begins every error.
  ByteReader(std::istream& in, uint64_t size, std::string name)
      : in_(in), left_(size), name_(std::move(name)) {}

  const std::string& name() const { return name_; }
  uint64_t left() const { return left_; }

  void read(void* to, uint64_t bytes, std::string_view field) {
    require(bytes <= left_, name_, ": ", field, " takes ", bytes, " bytes, ", left_,
            " are left: the file is cut short or not of this format");
    in_.read(static_cast<char*>(to), static_cast<std::streamsize>(bytes));
    require(static_cast<uint64_t>(in_.gcount()) == bytes, name_, ": ", field,
            ": the file ended or failed while it was read");
    left_ -= bytes;
  }

  uint64_t little_endian_64(std::string_view field) {
    unsigned char bytes[8];
    read(bytes, sizeof bytes, field);
    uint64_t value = 0;
    for (int i = 7; i >= 0; --i) value = value << 8 | bytes[i];
    return value;
  }

 private:
  std::istream& in_;
  uint64_t left_;
  std::string name_;
};

}  // namespace bonsai
