// The format: what is written follows the layout rules, what is read is believed in nothing.
#include "engine/safetensors.h"

#include <sstream>

#include "engine/crc64.h"
#include "engine/error.h"
#include "engine/strict_json.h"
#include "tests/allocations.h"
#include "tests/catch.h"
#include "tests/error_of.h"
#include "tests/file_bytes.h"

using namespace bonsai;
using Catch::Matchers::Contains;

namespace {

SafetensorsHeader parse(const std::string& bytes) {
  std::istringstream in(bytes);
  ByteReader reader(in, bytes.size(), "x.bonsai");
  return read_safetensors_header(reader);
}

std::string parse_error(const std::string& bytes) {
  return error_of([&] { parse(bytes); });
}

const std::string two = R"("a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, )"
                        R"("b": {"dtype": "F32", "shape": [1, 2], "data_offsets": [8, 16]})";

std::string object(const std::string& members) { return join('{', members, '}'); }

// The error for a header of one tensor 'a' with these fields, and 16 bytes of data.
std::string entry_error(const std::string& fields) {
  return parse_error(with_header(object(join("\"a\": {", fields, '}')), std::string(16, '\0')));
}

}  // namespace

TEST_CASE("a header is read back as it was written") {
  SafetensorsHeader header{.metadata = {{"format", "x"}, {"graph", "{\"in\": [1]}"}, {"empty", ""}},
                           .tensors = {{.name = "b", .dtype = Dtype::f32, .shape = {3, 1, 5}},
                                       {.name = "a.weight", .dtype = Dtype::i64, .shape = {7}},
                                       {.name = "scalar", .dtype = Dtype::f32, .shape = {}},
                                       {.name = "nothing", .dtype = Dtype::u8, .shape = {0, 4}}}};
  const std::string head = make_safetensors_header(header);
  const SafetensorsHeader again = parse(head + std::string(60 + 56 + 4, '\0'));
  CHECK(again.metadata == header.metadata);
  REQUIRE(again.tensors.size() == 4);
  for (size_t i = 0; i < 4; ++i) {
    const auto same = std::find_if(header.tensors.begin(), header.tensors.end(),
                                   [&](const auto& t) { return t.name == again.tensors[i].name; });
    REQUIRE(same != header.tensors.end());
    CHECK(again.tensors[i].shape == same->shape);
    CHECK(again.tensors[i].dtype == same->dtype);
    CHECK(again.tensors[i].begin == same->begin);
    CHECK(again.tensors[i].end == same->end);
  }
}

TEST_CASE("data begin at a multiple of 64, and tensors lie aligned in the given order") {
  for (int extra = 0; extra < 70; ++extra) {
    SafetensorsHeader header{.metadata = {{"pad", std::string(static_cast<size_t>(extra), 'x')}},
                             .tensors = {{.name = "c", .dtype = Dtype::u8, .shape = {3}},
                                         {.name = "z", .dtype = Dtype::f32, .shape = {16}},
                                         {.name = "b", .dtype = Dtype::f32, .shape = {5}},
                                         {.name = "a", .dtype = Dtype::f32, .shape = {1}},
                                         {.name = "d", .dtype = Dtype::f64, .shape = {1}},
                                         {.name = "y", .dtype = Dtype::f32, .shape = {32}}}};
    REQUIRE(make_safetensors_header(header).size() % 64 == 0);
    std::string order;
    for (const TensorEntry& t : header.tensors) {
      order += t.name;
      REQUIRE(t.begin % dtype_size(t.dtype) == 0);
    }
    REQUIRE(order == "dyzabc");
  }
}

TEST_CASE("names that cannot be written are refused") {
  auto write = [](std::vector<TensorEntry> tensors) {
    SafetensorsHeader header{.metadata = {}, .tensors = std::move(tensors)};
    make_safetensors_header(header);
  };
  CHECK_THROWS_AS(write({{.name = "", .shape = {1}}}), Error);
  CHECK_THROWS_AS(write({{.name = "a b", .shape = {1}}}), Error);
  CHECK_THROWS_AS(write({{.name = std::string(256, 'a'), .shape = {1}}}), Error);
  CHECK_THROWS_AS(write({{.name = "a", .shape = {1}}, {.name = "a", .shape = {1}}}), Error);
  CHECK_THROWS_AS(write({{.name = "a", .shape = Shape(9, 1)}}), Error);
  CHECK_NOTHROW(write({{.name = "features.0.conv_1/w-x", .shape = {1}}}));
}

TEST_CASE("files of other writers are read: any order of keys, no padding, no metadata") {
  const SafetensorsHeader header = parse(with_header(object(two), std::string(16, '\0')));
  REQUIRE(header.tensors.size() == 2);
  CHECK(header.tensors[1].shape == Shape{1, 2});
  CHECK(parse(with_header(object(two) + "   ", std::string(16, '\0'))).tensors.size() == 2);
  CHECK(parse(with_header("{}", "")).tensors.empty());
  CHECK(parse(with_header(R"({"a":{"data_offsets":[0,16],"shape":[2],"dtype":"I64"}})",
                          std::string(16, '\0')))
            .tensors[0]
            .dtype == Dtype::i64);
}

TEST_CASE("hostile lengths are refused") {
  CHECK_THAT(parse_error(""), Contains("x.bonsai: header length"));
  CHECK_THAT(parse_error("1234567"), Contains("header length"));
  CHECK_THAT(parse_error(std::string(8, '\xff')),
             Contains("header length is 18446744073709551615"));
  CHECK_THAT(parse_error(length_bytes(3) + "{}"), Contains("header length is 3"));
  CHECK_THAT(parse_error(length_bytes((16 << 20) + 1) + std::string((16 << 20) + 1, ' ')),
             Contains("header length"));
  CHECK_THAT(parse_error("\x89PNG\r\n\x1a\n and so on"), Contains("not a safetensors file"));
  CHECK_THAT(parse_error(length_bytes(0)), Contains("header"));
}

TEST_CASE("hostile JSON is refused") {
  const std::string data(16, '\0');
  auto error = [&](const std::string& json) { return parse_error(with_header(json, data)); };
  CHECK_THAT(error(join(' ', object(two))), Contains("should begin with '{'"));
  CHECK_THAT(error("[]"), Contains("should begin with '{'"));
  CHECK_THAT(error(join("{", two)), Contains("header: "));
  CHECK_THAT(error(object(two) + " x"), Contains("header: "));
  CHECK_THAT(error(object(two) + "{}"), Contains("header: "));
  CHECK_THAT(error("{\"a\xff\": 1}"), Contains("UTF-8"));
  CHECK_THAT(error("{\"a\\u12\": 1}"), Contains("header: "));
  CHECK_THAT(error("{\"a\\ud800\": 1}"), Contains("header: "));
  CHECK_THAT(error(join("{\"a\": ", std::string(100'000, '['))), Contains("nested deeper"));
  std::string deep = "1";
  for (int i = 0; i < 20; ++i) deep = object(join("\"a\": ", deep));
  CHECK_THAT(error(deep), Contains("nested deeper"));
  CHECK_THAT(error(object(two + ", \"a\": {}")), Contains("'a' is given twice"));
  CHECK_THAT(error(object("\"__metadata__\": {}, \"__metadata__\": {}, " + two)),
             Contains("'__metadata__' is given twice"));
  CHECK_THAT(error(object("\"__metadata__\": {\"k\": \"1\", \"k\": \"2\"}, " + two)),
             Contains("'k' is given twice"));
  CHECK_THAT(error(object("\"__metadata__\": {\"k\": 1}, " + two)), Contains("metadata 'k'"));
  CHECK_THAT(error(object("\"__metadata__\": [], " + two)), Contains("__metadata__"));
  CHECK_THAT(error(object("\"__metadata__\": \"x\", " + two)), Contains("__metadata__"));
}

TEST_CASE("hostile entries are refused by field") {
  CHECK_THAT(parse_error(with_header("{\"a\": 1}", "")), Contains("tensor 'a'"));
  CHECK_THAT(parse_error(with_header("{\"a b\": {}}", "")), Contains("tensor name 'a b'"));
  CHECK_THAT(parse_error(with_header("{\"\": {}}", "")), Contains("tensor name ''"));
  const std::string dtype = R"("dtype": "F32", )", shape = R"("shape": [4], )",
                    offsets = R"("data_offsets": [0, 16])";
  CHECK(entry_error(dtype + shape + offsets).empty());
  CHECK_THAT(entry_error(shape + offsets), Contains("dtype is missing"));
  CHECK_THAT(entry_error(dtype + offsets), Contains("shape is missing"));
  CHECK_THAT(entry_error(dtype + R"("shape": [4])"), Contains("data_offsets is missing"));
  CHECK_THAT(entry_error(dtype + shape + offsets + R"(, "path": "/etc/passwd")"),
             Contains("key 'path' is unknown"));
  CHECK_THAT(entry_error(R"("dtype": "F128", )" + shape + offsets), Contains("'F128'"));
  CHECK_THAT(entry_error(R"("dtype": 32, )" + shape + offsets), Contains("dtype should be"));
  for (const char* bad : {"-4", "4.0", "4e0", "1e3", "null", "\"4\"", "[4]", "true",
                          "281474976710657", "99999999999999999999"}) {
    INFO(bad);
    CHECK_THAT(entry_error(join(dtype, "\"shape\": [", bad, "], ", offsets)),
               Contains("tensor 'a': shape"));
    CHECK_THAT(entry_error(join(dtype, shape, "\"data_offsets\": [0, ", bad, ']')),
               Contains("tensor 'a': data_offsets"));
  }
  CHECK_THAT(entry_error(dtype + R"("shape": 4, )" + offsets), Contains("shape should be"));
  CHECK_THAT(entry_error(dtype + R"("shape": [1,1,1,1,1,1,1,1,4], )" + offsets),
             Contains("shape should be a list of at most 8"));
  CHECK_THAT(entry_error(dtype + R"("shape": [4294967296], )" + offsets), Contains("too large"));
  CHECK_THAT(entry_error(dtype + shape + R"("data_offsets": [0, 8, 16])"),
             Contains("data_offsets"));
  CHECK_THAT(entry_error(dtype + shape + R"("data_offsets": [16])"), Contains("data_offsets"));
  CHECK_THAT(entry_error(dtype + shape + R"("data_offsets": [16, 0])"),
             Contains("end before they begin"));
  CHECK_THAT(entry_error(dtype + R"("shape": [3], )" + offsets), Contains("takes 12"));
  CHECK_THAT(entry_error(dtype + R"("shape": [5], )" + offsets), Contains("takes 20"));
}

TEST_CASE("shape products that wrap around are refused") {
  // 2^31-1 cubed and more; and sizes whose product is 16 bytes modulo 2^64
  const std::string dtype = R"("dtype": "F32", )", offsets = R"(, "data_offsets": [0, 16])";
  for (const char* shape :
       {"[2147483647, 2147483647, 2147483647]", "[2147483647, 2147483647, 2, 2]",
        "[65536, 65536, 65536, 16384]", "[1073741824, 1073741824, 4, 4, 4]"}) {
    CHECK_THAT(entry_error(join(dtype, "\"shape\": ", shape, offsets)), Contains("tensor 'a'"));
  }
}

TEST_CASE("tensors must cover the data exactly") {
  auto error = [](const std::string& a, const std::string& b, size_t data) {
    auto entry = [](const std::string& offsets) {
      return join(R"({"dtype": "F32", "shape": [2], "data_offsets": [)", offsets, "]}");
    };
    return parse_error(with_header(object(join("\"a\": ", entry(a), ", \"b\": ", entry(b))),
                                   std::string(data, '\0')));
  };
  CHECK(error("0, 8", "8, 16", 16).empty());
  CHECK(error("8, 16", "0, 8", 16).empty());
  CHECK_THAT(error("0, 8", "4, 12", 12),
             Contains("tensor 'b': offsets [4, 12] overlap tensor 'a'"));
  CHECK_THAT(error("0, 8", "0, 8", 8), Contains("overlap"));
  CHECK_THAT(error("0, 8", "12, 20", 20), Contains("hole"));
  CHECK_THAT(error("4, 12", "12, 20", 20), Contains("hole"));
  CHECK_THAT(error("0, 8", "8, 16", 15), Contains("end after the file's data"));
  CHECK_THAT(error("0, 8", "8, 16", 17), Contains("1 bytes after the last tensor"));
  CHECK_THAT(error("0, 8", "281474976710648, 281474976710656", 16), Contains("end after"));
}

TEST_CASE("headers cannot make the reader allocate much more than they hold") {
  const std::string numbers = [] {
    std::string text = "[0";
    for (int i = 0; i < 3'000'000; ++i) text += ",0";
    return text + "]";
  }();
  const std::string lists = [] {
    std::string text = "[[]";
    for (int i = 0; i < 3'000'000; ++i) text += ",[]";
    return text + "]";
  }();
  const std::string tensors = [] {
    std::string text;
    for (int i = 0; i < 70'000; ++i) {
      text +=
          join(i > 0 ? "," : "", "\"t", i, R"(":{"dtype":"F32","shape":[0],"data_offsets":[0,0]})");
    }
    return text;
  }();
  for (const std::string& json :
       {object(join("\"a\":", numbers)), object(join("\"a\":", lists)),
        object(join("\"__metadata__\":", lists)),
        object(join("\"a\":", object(join("\"shape\":", numbers)))), object(tensors)}) {
    const std::string file = with_header(json, "");
    const size_t before = allocations().live_bytes;
    reset_peak_allocations();
    const std::string error = parse_error(file);
    CHECK(allocations().peak_bytes - before < 2 * file.size() + (size_t{64} << 20));
    CHECK_THAT(error, Contains("x.bonsai: "));
    CHECK(!error.empty());
    CHECK(error.size() < 600);
  }
}

TEST_CASE("the checksum is CRC-64/XZ, however the bytes are cut") {
  Crc64 crc;
  crc.update("123456789", 9);
  CHECK(crc.hex() == "995dc9bbdf1939fa");  // the published check value
  std::string bytes;
  for (int i = 0; i < 1000; ++i) bytes += static_cast<char>(i * i);
  Crc64 whole, parts;
  whole.update(bytes.data(), bytes.size());
  for (size_t i = 0; i < bytes.size(); i += 37) {
    parts.update(bytes.data() + i, std::min<size_t>(37, bytes.size() - i));
  }
  CHECK(whole.value() == parts.value());
  bytes[500] ^= 1;
  Crc64 changed;
  changed.update(bytes.data(), bytes.size());
  CHECK(changed.value() != whole.value());
}

TEST_CASE("text from outside is shown printable and short") {
  CHECK(printable("a\n\x1b[31m\xc3\xa9") == "a??[31m??");
  CHECK(printable(std::string(1000, 'x')).size() == 83);
}
