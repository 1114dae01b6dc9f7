#include "engine/tensor_file.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <system_error>
#include <unordered_map>

#include "engine/atomic_file.h"
#include "engine/crc64.h"
#include "engine/error.h"
#include "engine/safetensors.h"

namespace bonsai {
namespace {

constexpr const char* checksum_key = "data_crc64";
constexpr size_t block = 16'384;  // elements converted at a time

// sink(bytes, count) for the tensor's numbers in single precision.
void for_each_block(const Tensor& tensor, const std::function<void(const void*, size_t)>& sink) {
  if constexpr (sizeof(Scalar) == sizeof(float)) {
    sink(tensor.data(), tensor.size() * sizeof(float));
  } else {
    std::vector<float> buffer(block);
    for (size_t i = 0; i < tensor.size(); i += block) {
      const size_t n = std::min(block, tensor.size() - i);
      std::transform(tensor.data() + i, tensor.data() + i + n, buffer.begin(),
                     [](Scalar x) { return static_cast<float>(x); });
      sink(buffer.data(), n * sizeof(float));
    }
  }
}

template <class T>
void read_elements(ByteReader& in, const std::string& field, Tensor& to, Crc64& crc) {
  std::vector<T> buffer(std::min(block, to.size()));
  for (size_t i = 0; i < to.size(); i += block) {
    const size_t n = std::min(block, to.size() - i);
    in.read(buffer.data(), n * sizeof(T), field);
    crc.update(buffer.data(), n * sizeof(T));
    std::transform(buffer.data(), buffer.data() + n, to.data() + i,
                   [](T x) { return static_cast<Scalar>(x); });
  }
}

Tensor read_tensor(ByteReader& in, const TensorEntry& entry, Crc64& crc) {
  Tensor tensor = Tensor::uninitialized(entry.shape);
  const std::string field = join("tensor '", entry.name, "'");
  switch (entry.dtype) {
    case Dtype::f32:
      read_elements<float>(in, field, tensor, crc);
      break;
    case Dtype::f64:
      read_elements<double>(in, field, tensor, crc);
      break;
    case Dtype::i64:
      read_elements<int64_t>(in, field, tensor, crc);
      break;
    case Dtype::i32:
      read_elements<int32_t>(in, field, tensor, crc);
      break;
    default:
      throw Error(join(in.name(), ": ", field, ": dtype ", dtype_name(entry.dtype),
                       " is not read by this version"));
  }
  return tensor;
}

}  // namespace

const Tensor& TensorFile::tensor(const std::string& key) const {
  for (const auto& [tensor_name, value] : tensors) {
    if (tensor_name == key) return value;
  }
  throw Error(join(name, ": tensor '", key, "' is missing"));
}

const std::string& TensorFile::text(const std::string& key) const {
  const auto entry = metadata.find(key);
  require(entry != metadata.end(), name, ": metadata '", key, "' is missing");
  return entry->second;
}

void write_tensor_file(const std::string& path, const TensorFile& content) {
  SafetensorsHeader header{.metadata = content.metadata, .tensors = {}};
  std::unordered_map<std::string, const Tensor*> by_name;
  for (const auto& [name, tensor] : content.tensors) {
    require(tensor.defined(), path, ": tensor '", name, "' holds nothing");
    header.tensors.push_back({.name = name, .dtype = Dtype::f32, .shape = tensor.shape()});
    by_name[name] = &tensor;
  }
  make_safetensors_header(header);  // brings the tensors into the order of the checksum
  Crc64 crc;
  auto add = [&](const void* data, size_t bytes) { crc.update(data, bytes); };
  for (const TensorEntry& t : header.tensors) for_each_block(*by_name.at(t.name), add);
  header.metadata[checksum_key] = crc.hex();
  const std::string head = make_safetensors_header(header);

  const uint64_t data = header.tensors.empty() ? 0 : header.tensors.back().end;
  AtomicFile file(path, head.size() + data);
  file.write(head.data(), head.size());
  auto write = [&](const void* bytes, size_t count) { file.write(bytes, count); };
  for (const TensorEntry& t : header.tensors) for_each_block(*by_name.at(t.name), write);
  file.commit();
}

uint64_t tensor_file_bytes(const TensorFile& content) {
  SafetensorsHeader header{.metadata = content.metadata, .tensors = {}};
  for (const auto& [name, tensor] : content.tensors) {
    header.tensors.push_back({.name = name, .dtype = Dtype::f32, .shape = tensor.shape()});
  }
  header.metadata[checksum_key] = Crc64().hex();  // as long as any other
  const std::string head = make_safetensors_header(header);
  return head.size() + (header.tensors.empty() ? 0 : header.tensors.back().end);
}

TensorFile read_tensor_file(const std::string& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  require(!error, path, ": cannot be opened: ", error.message());
  require(std::filesystem::is_regular_file(status), path, ": is not a regular file");
  const uint64_t size = std::filesystem::file_size(path, error);
  std::ifstream in(path, std::ios::binary);
  require(in.good() && !error, path,
          ": cannot be opened: ", std::generic_category().message(errno));
  return read_tensor_file(in, size, path);
}

TensorFile read_tensor_file(std::istream& in, uint64_t size, const std::string& name) {
  ByteReader reader(in, size, name);
  SafetensorsHeader header = read_safetensors_header(reader);
  TensorFile content{.metadata = {}, .tensors = {}, .name = name};
  Crc64 crc;
  for (const TensorEntry& entry : header.tensors) {
    content.tensors.emplace_back(entry.name, read_tensor(reader, entry, crc));
  }
  content.metadata = std::move(header.metadata);
  if (const auto checksum = content.metadata.extract(checksum_key)) {
    require(checksum.mapped() == crc.hex(), name, ": ", checksum_key, " is ", crc.hex(),
            ", should be ", checksum.mapped().substr(0, 16), ": the data are damaged");
  }
  return content;
}

}  // namespace bonsai
