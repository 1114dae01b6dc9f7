// Named tensors and texts in one file: what models and checkpoints are made of. A safetensors
// file of single-precision tensors, written whole or not at all, with a checksum of its data
// (metadata "data_crc64", CRC-64/XZ) that reading verifies where it is there.
#pragma once

#include <cstdint>
#include <istream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/tensor.h"

namespace bonsai {

struct TensorFile {
  std::map<std::string, std::string> metadata{};
  std::vector<std::pair<std::string, Tensor>> tensors{};
  std::string name{};  // where it was read from, for errors

  // Throw Error when there is none of that name.
  const Tensor& tensor(const std::string& key) const;
  const std::string& text(const std::string& key) const;
};

void write_tensor_file(const std::string& path, const TensorFile& content);
// How long that file would be.
uint64_t tensor_file_bytes(const TensorFile& content);

// Reads F32, F64, I64 and I32; the tensors come in the order of the file.
TensorFile read_tensor_file(const std::string& path);
// The same from `size` bytes of a stream; `name` begins every error.
TensorFile read_tensor_file(std::istream& in, uint64_t size, const std::string& name);

}  // namespace bonsai
