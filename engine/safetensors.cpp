#include "engine/safetensors.h"

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <tuple>

#include "engine/strict_json.h"

namespace bonsai {
namespace {

using Json = nlohmann::json;

constexpr uint64_t alignment = 64;
constexpr uint64_t longest_header = 16 << 20;
constexpr size_t most_tensors = 65'536;
constexpr size_t highest_rank = 8;

struct DtypeRow {
  Dtype dtype;
  const char* name;
  size_t size;
};
constexpr std::array<DtypeRow, 8> dtypes = {{{Dtype::f64, "F64", 8},
                                             {Dtype::i64, "I64", 8},
                                             {Dtype::f32, "F32", 4},
                                             {Dtype::i32, "I32", 4},
                                             {Dtype::f16, "F16", 2},
                                             {Dtype::bf16, "BF16", 2},
                                             {Dtype::i8, "I8", 1},
                                             {Dtype::u8, "U8", 1}}};

const DtypeRow& row(Dtype dtype) {
  return *std::find_if(dtypes.begin(), dtypes.end(),
                       [&](const DtypeRow& r) { return r.dtype == dtype; });
}

void require_name(const std::string& name, const std::string& where) {
  constexpr std::string_view allowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./-";
  require(
      !name.empty() && name.size() <= 255 && name.find_first_not_of(allowed) == std::string::npos,
      where, ": tensor name '", printable(name),
      "' should be 1 to 255 of letters, digits and _ . / -");
}

// One tensor's member of the header.
class EntryReader {
 public:
  EntryReader(const std::string& file, const std::string& name, const Json& json)
      : where_(join(file, ": tensor '", name, "'")), json_(json) {
    require(json.is_object(), where_, ": should be an object");
    for (const auto& [key, value] : json.items()) {
      require(key == "dtype" || key == "shape" || key == "data_offsets", where_, ": key '",
              printable(key), "' is unknown");
    }
  }

  Dtype dtype() const {
    const Json& text = field("dtype");
    require(text.is_string(), where_, ": dtype should be a text");
    const auto& wanted = text.get_ref<const std::string&>();
    for (const DtypeRow& r : dtypes) {
      if (wanted == r.name) return r.dtype;
    }
    throw Error(join(where_, ": dtype '", printable(wanted), "' is unknown"));
  }

  Shape shape() const {
    const Json& sizes = list("shape", highest_rank);
    Shape shape;
    for (const Json& size : sizes) {
      const uint64_t n = number("shape", size);
      require(n <= std::numeric_limits<int>::max(), where_, ": shape holds ", n, ", too large");
      shape.push_back(static_cast<int>(n));
    }
    return shape;
  }

  std::pair<uint64_t, uint64_t> offsets() const {
    const Json& pair = list("data_offsets", 2);
    require(pair.size() == 2, where_, ": data_offsets should be two numbers");
    return {number("data_offsets", pair[0]), number("data_offsets", pair[1])};
  }

 private:
  const Json& field(const char* key) const {
    const auto found = json_.find(key);
    require(found != json_.end(), where_, ": ", key, " is missing");
    return *found;
  }

  const Json& list(const char* key, size_t longest) const {
    const Json& values = field(key);
    require(values.is_array() && values.size() <= longest, where_, ": ", key,
            " should be a list of at most ", longest, " numbers");
    return values;
  }

  // Negative numbers, fractions and 1e3 are other types to the parser.
  uint64_t number(const char* key, const Json& value) const {
    require(value.is_number_unsigned() && value.get<uint64_t>() <= uint64_t{1} << 48, where_, ": ",
            key, " should hold whole numbers of at most 2^48");
    return value.get<uint64_t>();
  }

  std::string where_;
  const Json& json_;
};

// The bytes that the shape asks for.
uint64_t byte_count(const TensorEntry& entry, const std::string& where) {
  uint64_t bytes = dtype_size(entry.dtype);
  for (const int n : entry.shape) {
    require(!__builtin_mul_overflow(bytes, static_cast<uint64_t>(n), &bytes), where, ": shape ",
            entry.shape, " has too many elements");
  }
  return bytes;
}

TensorEntry read_entry(const std::string& file, const std::string& name, const Json& json) {
  require_name(name, file);
  const EntryReader reader(file, name, json);
  TensorEntry entry{.name = name, .dtype = reader.dtype(), .shape = reader.shape()};
  std::tie(entry.begin, entry.end) = reader.offsets();
  const std::string where = join(file, ": tensor '", name, "'");
  require(entry.begin <= entry.end, where, ": offsets [", entry.begin, ", ", entry.end,
          "] end before they begin");
  const uint64_t bytes = byte_count(entry, where);
  require(entry.end - entry.begin == bytes, where, ": offsets [", entry.begin, ", ", entry.end,
          "] hold ", entry.end - entry.begin, " bytes, shape ", entry.shape, " of ",
          dtype_name(entry.dtype), " takes ", bytes);
  return entry;
}

std::map<std::string, std::string> read_metadata(const std::string& file, const Json& json) {
  require(json.is_object(), file, ": __metadata__ should be an object");
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : json.items()) {
    require(value.is_string(), file, ": metadata '", printable(key), "' should be a text");
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

// In the order of their data the tensors should follow one another and end with the file.
void require_exact_cover(const std::vector<TensorEntry>& tensors, uint64_t data,
                         const std::string& file) {
  uint64_t end = 0;
  const TensorEntry* previous = nullptr;
  for (const TensorEntry& t : tensors) {
    const std::string what = join(file, ": tensor '", t.name, "': offsets [", t.begin, ", ", t.end);
    require(t.end <= data, what, "] end after the file's data (", data, " bytes)");
    require(t.begin >= end, what, "] overlap tensor '", previous ? previous->name : "", "'");
    require(t.begin == end, what, "] leave a hole after byte ", end);
    end = t.end;
    previous = &t;
  }
  require(end == data, file, ": ", data - end, " bytes after the last tensor belong to none");
}

}  // namespace

std::string dtype_name(Dtype dtype) { return row(dtype).name; }
size_t dtype_size(Dtype dtype) { return row(dtype).size; }

SafetensorsHeader read_safetensors_header(ByteReader& in) {
  const std::string& file = in.name();
  const uint64_t length = in.little_endian_64("header length");
  require(length <= longest_header && length <= in.left(), file, ": header length is ", length,
          ", should be at most ", std::min(longest_header, in.left()),
          ": the file is cut short or not a safetensors file");
  std::string text(length, '\0');
  in.read(text.data(), length, "header");

  SafetensorsHeader header;
  const JsonLimits limits{.depth = 16, .values = 4096};  // per tensor and for the metadata
  parse_json_members(text, join(file, ": header"), limits,
                     [&](const std::string& name, const Json& json) {
                       if (name == "__metadata__") {
                         header.metadata = read_metadata(file, json);
                         return;
                       }
                       require(header.tensors.size() < most_tensors, file, ": header: more than ",
                               most_tensors, " tensors");
                       header.tensors.push_back(read_entry(file, name, json));
                     });
  std::sort(header.tensors.begin(), header.tensors.end(),
            [](const TensorEntry& a, const TensorEntry& b) {
              return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
            });
  require_exact_cover(header.tensors, in.left(), file);
  return header;
}

std::string make_safetensors_header(SafetensorsHeader& header) {
  require(header.tensors.size() <= most_tensors, "safetensors: ", header.tensors.size(),
          " tensors, should be at most ", most_tensors);
  auto order = [](const TensorEntry& t) {
    const uint64_t bytes = element_count(t.shape) * dtype_size(t.dtype);
    return std::tuple(~dtype_size(t.dtype), bytes % alignment != 0, std::string_view(t.name));
  };
  std::sort(header.tensors.begin(), header.tensors.end(),
            [&](const TensorEntry& a, const TensorEntry& b) { return order(a) < order(b); });

  Json json = Json::object();
  if (!header.metadata.empty()) json["__metadata__"] = header.metadata;
  uint64_t offset = 0;
  for (TensorEntry& t : header.tensors) {
    require_name(t.name, "safetensors");
    require(t.shape.size() <= highest_rank, "safetensors: tensor '", t.name, "' has shape ",
            t.shape, ", should have at most ", highest_rank, " axes");
    require(!json.contains(t.name), "safetensors: two tensors are named '", t.name, "'");
    t.begin = offset;
    t.end = offset += element_count(t.shape) * dtype_size(t.dtype);
    json[t.name] = {
        {"dtype", dtype_name(t.dtype)}, {"shape", t.shape}, {"data_offsets", {t.begin, t.end}}};
  }
  // Bytes that are no UTF-8 (a class named after an old folder) become the replacement sign.
  std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.append((alignment - (8 + text.size()) % alignment) % alignment, ' ');
  require(text.size() <= longest_header, "safetensors: the header takes ", text.size(),
          " bytes, should be at most ", longest_header);
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(text.size() >> (8 * i) & 255);
  return bytes + text;
}

}  // namespace bonsai
