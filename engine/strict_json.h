// Reads JSON that nobody vouches for: nesting and the number of values are limited, a key given
// twice is refused (most parsers silently keep the last), and errors are one short line.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace bonsai {

struct JsonLimits {
  int depth = 16;
  size_t values = 300'000;
};

// `where` begins every error: "model.bonsai: graph".
nlohmann::json parse_json(std::string_view text, const std::string& where,
                          const JsonLimits& limits = {});

// The text should be one object. Hands over its members one by one and keeps none, so that the
// limits hold for each member and not for the whole.
void parse_json_members(
    std::string_view text, const std::string& where, const JsonLimits& limits,
    const std::function<void(const std::string& key, const nlohmann::json& value)>& member);

// Text from outside, fit for an error message: printable and short.
std::string printable(std::string_view text, size_t longest = 80);

}  // namespace bonsai
