#include "compress/journal.h"

#include <array>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "engine/atomic_file.h"
#include "engine/error.h"
#include "engine/strict_json.h"

namespace bonsai {
namespace {

using Json = nlohmann::ordered_json;

// In the order of Record::what and of EndReason.
constexpr std::array<std::string_view, 4> record_names = {"start", "plan", "result", "end"};
constexpr std::array<std::string_view, 4> reason_names = {"target", "drop", "nothing", "budget"};

template <size_t n>
size_t place(const std::array<std::string_view, n>& names, const std::string& name) {
  for (size_t i = 0; i < n; ++i)
    if (names[i] == name) return i;
  throw Error(join("'", printable(name), "' is not known"));
}

Json json_of(const Accuracy& a) { return {{"loss", a.loss}, {"accuracy", a.accuracy}}; }
Json json_of(const NetworkCost& c) {
  return {{"macs", c.macs}, {"params", c.params}, {"ms", c.ms}};
}
Json json_of(const Move& m) {
  return {{"group", m.group}, {"from", m.from}, {"to", m.to}, {"loss", m.loss}, {"saved", m.saved}};
}

Json json_of(const StartRecord& r) {
  return {{"run", r.run},
          {"network", r.network},
          {"validation", json_of(r.validation)},
          {"units", r.units},
          {"cost", json_of(r.cost)}};
}
Json json_of(const PlanRecord& r) {
  Json moves = Json::array();
  for (const Move& move : r.moves) moves.push_back(json_of(move));
  return {
      {"number", r.number}, {"saving", r.saving},      {"moves", std::move(moves)},
      {"from", r.from},     {"gone", r.gone},          {"chosen by", r.chosen_by},
      {"solved", r.solved}, {"cost", json_of(r.cost)}, {"recalibrated", json_of(r.recalibrated)}};
}
Json json_of(const ResultRecord& r) {
  return {{"number", r.number},
          {"kept", r.kept},
          {"epochs", r.epochs},
          {"diverged", r.diverged},
          {"validation", json_of(r.validation)},
          {"network", r.network}};
}
Json json_of(const EndRecord& r) {
  return {{"reason", reason_names[static_cast<size_t>(r.reason)]}};
}

// All but seconds and times.
Json decision(const Record& record) {
  Json json = {{"record", record_names[record.what.index()]}};
  json.update(std::visit([](const auto& what) { return json_of(what); }, record.what));
  return json;
}

// The parser has no word for numbers that are none: they are written as null.
double number(const nlohmann::json& json, const char* key) {
  const auto& value = json.at(key);
  return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
}
Accuracy accuracy_of(const nlohmann::json& json) {
  return {.loss = number(json, "loss"), .accuracy = number(json, "accuracy")};
}
NetworkCost cost_of(const nlohmann::json& json) {
  return {.macs = json.at("macs").get<int64_t>(),
          .params = json.at("params").get<int64_t>(),
          .ms = number(json, "ms")};
}
Move move_of(const nlohmann::json& json) {
  return {.group = json.at("group").get<std::string>(),
          .from = json.at("from").get<int>(),
          .to = json.at("to").get<int>(),
          .loss = number(json, "loss"),
          .saved = number(json, "saved")};
}

StartRecord start_of(const nlohmann::json& json) {
  return {.run = json.at("run").get<RunIdentity>(),
          .network = json.at("network").get<std::string>(),
          .validation = accuracy_of(json.at("validation")),
          .units = json.at("units").get<std::map<std::string, int>>(),
          .cost = cost_of(json.at("cost"))};
}
PlanRecord plan_of(const nlohmann::json& json) {
  PlanRecord plan{.number = json.at("number").get<int>(),
                  .saving = number(json, "saving"),
                  .moves = {},
                  .from = json.at("from").get<int>(),
                  .gone = json.at("gone").get<std::vector<int>>(),
                  .chosen_by = json.at("chosen by").get<std::string>(),
                  .solved = json.at("solved").get<bool>(),
                  .cost = cost_of(json.at("cost")),
                  .recalibrated = accuracy_of(json.at("recalibrated"))};
  for (const auto& move : json.at("moves")) plan.moves.push_back(move_of(move));
  require(!plan.moves.empty(), "the plan has no moves");
  return plan;
}
ResultRecord result_of(const nlohmann::json& json) {
  return {.number = json.at("number").get<int>(),
          .kept = json.at("kept").get<bool>(),
          .epochs = json.at("epochs").get<int>(),
          .diverged = json.at("diverged").get<bool>(),
          .validation = accuracy_of(json.at("validation")),
          .network = json.at("network").get<std::string>()};
}
EndRecord end_of(const nlohmann::json& json) {
  return {.reason =
              static_cast<EndReason>(place(reason_names, json.at("reason").get<std::string>()))};
}

Record record_of(const nlohmann::json& json) {
  Record record;
  switch (place(record_names, json.at("record").get<std::string>())) {
    case 0:
      record.what = start_of(json);
      break;
    case 1:
      record.what = plan_of(json);
      break;
    case 2:
      record.what = result_of(json);
      break;
    default:
      record.what = end_of(json);
  }
  record.seconds = json.at("seconds").get<double>();
  record.times.scale = json.at("scale").get<double>();
  record.times.layers = json.at("times").get<std::map<std::string, double>>();
  return record;
}

}  // namespace

std::string to_json(const Record& record) {
  Json json = decision(record);
  json["seconds"] = record.seconds;
  json["scale"] = record.times.scale;
  json["times"] = record.times.layers;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Record record_from_json(const std::string& line, const std::string& where) {
  const nlohmann::json json = parse_json(line, where);
  try {
    return record_of(json);
  } catch (const nlohmann::json::exception&) {
    throw Error(where + ": is not a record of a pruning run");
  } catch (const Error& error) {
    throw Error(where + ": " + error.what());
  }
}

bool same_decision(const Record& a, const Record& b) {
  return decision(a).dump() == decision(b).dump();
}

std::vector<Record> read_journal(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  require(file.is_open(), path.string(), ": cannot be read");
  std::vector<Record> records;
  for (std::string line; std::getline(file, line);)
    records.push_back(record_from_json(line, join(path.string(), ": line ", records.size() + 1)));
  require(!records.empty() && std::holds_alternative<StartRecord>(records.front().what),
          path.string(), ": does not begin with the start of a pruning run");
  return records;
}

void write_journal(const std::filesystem::path& path, const std::vector<Record>& records) {
  std::string text;
  for (const Record& record : records) text += to_json(record) + "\n";
  AtomicFile file(path.string(), text.size());
  file.write(text.data(), text.size());
  file.commit();
}

}  // namespace bonsai
