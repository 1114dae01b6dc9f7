// MD5 (RFC 1321), because that is the checksum CIFAR-10's authors publish: it shows a damaged
// download, it does not withstand an attacker.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>

namespace bonsai {

class Md5 {
 public:
  void add(const void* data, size_t bytes);
  std::string hex();  // of all that was added; nothing may be added after

 private:
  void block(const uint8_t* p);

  std::array<uint32_t, 4> state_{0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476};
  std::array<uint8_t, 64> pending_{};
  uint64_t bytes_ = 0;
};

std::string file_md5(const std::filesystem::path& path);

}  // namespace bonsai
