// The safetensors format, which Python opens with a well-kept library and which can hold nothing
// that runs: 8 bytes of header length (little-endian), a JSON header, the bytes of the tensors.
// This knows the format only; what the tensors mean stands in tensor_file.h and file.h.
//
// Written so that the data begin at a multiple of 64 bytes, and in an order (element size, then
// sizes that are multiples of 64, then name) that leaves every tensor aligned without padding.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/byte_reader.h"
#include "engine/tensor.h"

namespace bonsai {

enum class Dtype { f64, i64, f32, i32, f16, bf16, i8, u8 };

std::string dtype_name(Dtype dtype);  // "F32"
size_t dtype_size(Dtype dtype);

struct TensorEntry {
  std::string name;
  Dtype dtype = Dtype::f32;
  Shape shape;
  uint64_t begin = 0, end = 0;  // where its bytes lie, from the start of the data
};

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;
  std::vector<TensorEntry> tensors;  // in the order of their data
};

// Leaves the reader at the first byte of data. Everything is checked: the data are covered by the
// tensors without overlap, hole or rest, and every tensor has as many bytes as its shape says.
SafetensorsHeader read_safetensors_header(ByteReader& in);

// Brings the tensors into order, sets their offsets, and returns the bytes before the data.
std::string make_safetensors_header(SafetensorsHeader& header);

}  // namespace bonsai
