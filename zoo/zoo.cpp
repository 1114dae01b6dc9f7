#include "zoo/zoo.h"

#include <charconv>
#include <cmath>
#include <utility>

#include "engine/error.h"
#include "engine/nearest.h"
#include "layers/init.h"
#include "zoo/families.h"

namespace bonsai::zoo {
namespace {

constexpr int largest_number = 9999;  // in a name; deeper and wider networks nobody could run

// The family's name with the numbers in it.
std::string filled(std::string_view name, const Numbers& numbers) {
  std::string result;
  size_t next = 0;
  for (const char c : name) {
    if (c == '#') {
      result += std::to_string(numbers[next++]);
    } else {
      result += c;
    }
  }
  return result;
}

// The numbers that make the family's name this one; none when nothing does.
std::optional<Numbers> numbers_in(std::string_view name, std::string_view family) {
  Numbers numbers;
  const char *at = name.data(), *end = at + name.size();
  for (const char c : family) {
    if (c != '#') {
      if (at == end || *at++ != c) return std::nullopt;
      continue;
    }
    int number = 0;
    const auto [next, error] = std::from_chars(at, end, number);
    if (error != std::errc() || number < 0 || number > largest_number) return std::nullopt;
    numbers.push_back(number);
    at = next;
  }
  if (at != end || filled(family, numbers) != name) return std::nullopt;
  return numbers;
}

Entry entry_of(const Family& family, const Numbers& numbers) {
  return {.name = filled(family.name, numbers),
          .source = std::string(family.paper),
          .input = family.data.input,
          .classes = family.data.classes,
          .build = [build = family.build, numbers](const Spec& s) { return build(s, numbers); }};
}

std::optional<Entry> found(std::string_view name) {
  for (const Entry& entry : entries()) {
    if (entry.name == name) return entry;
  }
  for (const Family& family : families()) {
    const auto numbers = numbers_in(name, family.name);
    if (numbers) return entry_of(family, *numbers);
  }
  return std::nullopt;
}

}  // namespace

int Spec::scaled(int channels, const std::string& layer, int multiple) const {
  const double wanted = static_cast<double>(channels) * static_cast<double>(width);
  const double result = multiple * std::round(wanted / multiple);
  require(result >= 1, name, ": width ", width, " leaves ", layer, " none of its ", channels,
          " channels", multiple == 1 ? "" : join(", which come in multiples of ", multiple),
          ", should leave at least ", multiple);
  return whole(result, layer);
}

int Spec::whole(double channels, const std::string& layer) const {
  require(channels <= 1 << 20, name, ": width ", width, " gives ", layer, " ", channels,
          " channels, should be at most ", 1 << 20);
  return static_cast<int>(channels);
}

void Spec::require_size(int least) const {
  require(input[0] >= least && input[1] >= least, name, ": pictures of ", input[0], "x", input[1],
          " are too small, should be at least ", least, "x", least);
}

const std::vector<Entry>& entries() {
  static const std::vector<Entry> all = [] {
    std::vector<Entry> result;
    for (const Family& family : families()) {
      for (const Numbers& numbers : family.listed) result.push_back(entry_of(family, numbers));
    }
    return result;
  }();
  return all;
}

std::vector<std::string> names() {
  std::vector<std::string> result;
  for (const Entry& entry : entries()) result.push_back(entry.name);
  return result;
}

bool is_network(std::string_view name) { return found(name).has_value(); }

Entry find(std::string_view name) {
  std::optional<Entry> entry = found(name);
  require(entry.has_value(), "zoo: there is no network '", name, "'", suggestion(name, names()));
  return *std::move(entry);
}

std::unique_ptr<Layer> make(std::string_view name, const Options& options) {
  const Entry entry = find(name);
  Random init(options.seed, Purpose::init);
  const Spec spec{.name = entry.name,
                  .classes = options.classes.value_or(entry.classes),
                  .width = options.width,
                  .input = options.input.empty() ? entry.input : options.input,
                  .init = options.weights ? init : no_weights()};
  require(spec.classes >= 1, name, ": ", spec.classes, " classes, should be at least 1");
  require(std::isfinite(spec.width) && spec.width > 0, name, ": width ", spec.width,
          " should be above 0");
  require(spec.input.size() == 3 && spec.input[0] >= 1 && spec.input[1] >= 1 && spec.input[2] >= 1,
          name, ": input ", spec.input, " should be [height, width, channels]");
  return entry.build(spec);
}

}  // namespace bonsai::zoo
