#include "engine/strict_json.h"

#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "engine/error.h"

namespace bonsai {
namespace {

using Json = nlohmann::json;
using Event = Json::parse_event_t;
using Member = std::function<void(const std::string&, const Json&)>;

// What the parser calls for every token.
class Guard {
 public:
  Guard(const std::string& where, const JsonLimits& limits, const Member* member)
      : where_(where), limits_(limits), member_(member) {}

  // False: the parser forgets the value.
  bool operator()(int depth, Event event, Json& parsed) {
    require(depth <= limits_.depth, where_, ": nested deeper than ", limits_.depth, " levels");
    switch (event) {
      case Event::object_start:
        keys_.emplace_back();
        return true;
      case Event::key:
        note_key(parsed.get_ref<const std::string&>(), depth);
        return true;
      case Event::array_start:
        return true;
      case Event::object_end:
        keys_.pop_back();
        return end_value(depth, parsed);
      case Event::array_end:
      case Event::value:
        return end_value(depth, parsed);
    }
    return true;
  }

 private:
  void note_key(const std::string& key, int depth) {
    require(keys_.back().insert(key).second, where_, ": key '", printable(key), "' is given twice");
    if (depth == 1) outer_key_ = key;
  }

  bool end_value(int depth, const Json& parsed) {
    require(++values_ <= limits_.values, where_, ": more than ", limits_.values, " values");
    if (member_ == nullptr || depth != 1 || keys_.empty()) return true;
    (*member_)(outer_key_, parsed);
    values_ = 0;
    return false;
  }

  const std::string& where_;
  const JsonLimits& limits_;
  const Member* member_;
  std::vector<std::set<std::string>> keys_;  // of every open object
  std::string outer_key_;
  size_t values_ = 0;
};

Json parse(std::string_view text, const std::string& where, const JsonLimits& limits,
           const Member* member) {
  try {
    Guard guard(where, limits, member);
    return Json::parse(text.begin(), text.end(), std::ref(guard));
  } catch (const Json::exception& error) {
    throw Error(join(where, ": ", printable(error.what(), 200)));
  }
}

}  // namespace

Json parse_json(std::string_view text, const std::string& where, const JsonLimits& limits) {
  return parse(text, where, limits, nullptr);
}

void parse_json_members(std::string_view text, const std::string& where, const JsonLimits& limits,
                        const Member& member) {
  require(!text.empty() && text.front() == '{', where, ": should begin with '{'");
  parse(text, where, limits, &member);
}

std::string printable(std::string_view text, size_t longest) {
  std::string shown(text.substr(0, longest));
  for (char& c : shown) {
    if (c < ' ' || c > '~') c = '?';
  }
  return text.size() > longest ? shown + "..." : shown;
}

}  // namespace bonsai
