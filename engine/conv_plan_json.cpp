#include "engine/conv_plan_json.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/strict_json.h"

namespace bonsai {
namespace {

using Json = nlohmann::json;

constexpr std::string_view format = "bonsai plan 1";
constexpr std::array tables = {ConvTable::forward, ConvTable::backward_data,
                               ConvTable::backward_weights};
// Larger numbers than networks have, and small enough for products of a few to stay within range.
constexpr int most = 1 << 16, most_taps = 64;

nlohmann::ordered_json json_of(const ConvChoice& choice) {
  const ConvShape& s = choice.shape;
  return {{"table", name_of(choice.table)},
          {"input", {s.n, s.h, s.w, s.in}},
          {"output", {s.n, s.out_h, s.out_w, s.out}},
          {"kernel", {s.kh, s.kw}},
          {"stride", s.stride},
          {"padding", s.padding},
          {"dilation", s.dilation},
          {"groups", s.groups},
          {"row", choice.row}};
}

class Reader {
 public:
  Reader(const Json& json, std::string where) : json_(json), where_(std::move(where)) {
    require(json.is_object() && json.size() == 9, where_,
            ": should be a table, a convolution of eight figures and a row");
  }

  ConvChoice choice() const {
    const std::array input = numbers<4>("input", 1, most), output = numbers<4>("output", 1, most);
    const std::array kernel = numbers<2>("kernel", 1, most_taps);
    require(input[0] == output[0], where_, ": input and output differ in images");
    const ConvShape shape{.n = input[0],
                          .h = input[1],
                          .w = input[2],
                          .in = input[3],
                          .out_h = output[1],
                          .out_w = output[2],
                          .out = output[3],
                          .kh = kernel[0],
                          .kw = kernel[1],
                          .stride = number("stride", 1),
                          .padding = number("padding", 0),
                          .dilation = number("dilation", 1),
                          .groups = number("groups", 1)};
    require(shape.in % shape.groups == 0 && shape.out % shape.groups == 0, where_, ": ",
            shape.groups, " groups do not divide ", shape.in, " input and ", shape.out,
            " output channels");
    return {.table = table(), .shape = shape, .row = text("row")};
  }

 private:
  const Json& field(const char* key) const {
    const auto found = json_.find(key);
    require(found != json_.end(), where_, ": ", key, " is missing");
    return *found;
  }

  int checked(const Json& json, const char* key, int low, int high) const {
    require(json.is_number_integer() && json >= low && json <= high, where_, ": ", key,
            " should be whole numbers from ", low, " to ", high);
    return json.get<int>();
  }

  int number(const char* key, int low) const { return checked(field(key), key, low, most); }

  template <size_t n>
  std::array<int, n> numbers(const char* key, int low, int high) const {
    const Json& list = field(key);
    require(list.is_array() && list.size() == n, where_, ": ", key, " should be ", n, " numbers");
    std::array<int, n> all{};
    for (size_t i = 0; i < n; ++i) all[i] = checked(list[i], key, low, high);
    return all;
  }

  std::string text(const char* key) const {
    const Json& json = field(key);
    require(json.is_string(), where_, ": ", key, " should be a name");
    return printable(json.get<std::string>());
  }

  ConvTable table() const {
    const std::string name = text("table");
    const auto found = std::find_if(tables.begin(), tables.end(),
                                    [&](ConvTable table) { return name_of(table) == name; });
    require(found != tables.end(), where_, ": table '", name,
            "' should be forward, backward-data or backward-weights");
    return *found;
  }

  const Json& json_;
  std::string where_;
};

}  // namespace

std::string to_json(const ConvPlan& plan) {
  std::string text = join("{\"format\": \"", format, "\", \"choices\": [");
  const char* separator = "\n";
  for (const ConvChoice& choice : plan.choices()) {
    text += separator + json_of(choice).dump();
    separator = ",\n";
  }
  return text + "\n]}\n";
}

ConvPlan parse_conv_plan(std::string_view text, const std::string& where) {
  const Json json = parse_json(text, where);
  require(json.is_object() && json.size() == 2 && json.value("format", Json()) == format &&
              json.contains("choices") && json["choices"].is_array(),
          where, ": should be {\"format\": \"", format, "\", \"choices\": [...]}");
  ConvPlan plan;
  int number = 0;
  for (const Json& choice : json["choices"]) {
    const std::string place = join(where, ": choice ", ++number);
    const ConvChoice read = Reader(choice, place).choice();
    try {
      plan.add(read);
    } catch (const Error& error) {
      throw Error(join(place, ": ", error.what()));
    }
  }
  return plan;
}

}  // namespace bonsai
