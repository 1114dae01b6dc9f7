// CRC-64/XZ (ECMA-182, reflected): finds damage on disks and in copies. It is not a signature:
// whoever can change a file can change its checksum.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace bonsai {

class Crc64 {
 public:
  void update(const void* data, size_t bytes);
  uint64_t value() const { return ~state_; }
  std::string hex() const;  // 16 digits

 private:
  uint64_t state_ = ~uint64_t{0};
};

}  // namespace bonsai
