#include "apps/report/json.h"

#include <nlohmann/json.hpp>

#include "engine/error.h"

namespace bonsai::report {
namespace {

using Json = nlohmann::ordered_json;

// Beside the other conversions, found by the JSON library through the types' namespace.
template <class T>
Json optional_json(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

template <class T>
std::optional<T> optional_value(const Json& json, const char* key) {
  const auto entry = json.find(key);
  if (entry == json.end() || entry->is_null()) return std::nullopt;
  return entry->template get<T>();
}

void require_width(const std::string& title, size_t cells, size_t columns) {
  require(cells == columns, "'", title, "' has ", columns, " columns, a row has ", cells,
          " cells, should be as many");
}

}  // namespace

void to_json(Json& json, const Latency& x) {
  json = {{"median_ms", x.median_ms}, {"p90_ms", x.p90_ms}};
}
void from_json(const Json& json, Latency& x) {
  x = {json.at("median_ms").get<double>(), json.at("p90_ms").get<double>()};
}

void to_json(Json& json, const Measurement& x) {
  json = {{"name", x.name},
          {"params", x.params},
          {"macs", x.macs},
          {"bytes", x.file_bytes},
          {"activation_bytes", x.activation_bytes},
          {"latency_1_thread", optional_json(x.one_thread)},
          {"latency_all_threads", optional_json(x.all_threads)},
          {"threads", x.threads},
          {"accuracy", optional_json(x.accuracy)}};
}
void from_json(const Json& json, Measurement& x) {
  json.at("name").get_to(x.name);
  json.at("params").get_to(x.params);
  json.at("macs").get_to(x.macs);
  json.at("bytes").get_to(x.file_bytes);
  json.at("activation_bytes").get_to(x.activation_bytes);
  json.at("threads").get_to(x.threads);
  x.one_thread = optional_value<Latency>(json, "latency_1_thread");
  x.all_threads = optional_value<Latency>(json, "latency_all_threads");
  x.accuracy = optional_value<double>(json, "accuracy");
}

void to_json(Json& json, const Epoch& x) {
  json = {{"epoch", x.epoch},
          {"train_loss", optional_json(x.train_loss)},
          {"train_accuracy", optional_json(x.train_accuracy)},
          {"test_loss", optional_json(x.test_loss)},
          {"test_accuracy", optional_json(x.test_accuracy)}};
}
void from_json(const Json& json, Epoch& x) {
  json.at("epoch").get_to(x.epoch);
  x.train_loss = optional_value<double>(json, "train_loss");
  x.train_accuracy = optional_value<double>(json, "train_accuracy");
  x.test_loss = optional_value<double>(json, "test_loss");
  x.test_accuracy = optional_value<double>(json, "test_accuracy");
}

void to_json(Json& json, const Stage& x) { json = {{"name", x.name}, {"epochs", x.epochs}}; }
void from_json(const Json& json, Stage& x) {
  json.at("name").get_to(x.name);
  json.at("epochs").get_to(x.epochs);
}

void to_json(Json& json, const LayerWidth& x) {
  json = {{"name", x.name}, {"before", x.before}, {"after", x.after}};
}
void from_json(const Json& json, LayerWidth& x) {
  json.at("name").get_to(x.name);
  json.at("before").get_to(x.before);
  json.at("after").get_to(x.after);
}

void to_json(Json& json, const ResponseError& x) {
  json = {{"naive", x.naive}, {"bias_only", x.bias_only}, {"least_squares", x.least_squares}};
}
void from_json(const Json& json, ResponseError& x) {
  json.at("naive").get_to(x.naive);
  json.at("bias_only").get_to(x.bias_only);
  json.at("least_squares").get_to(x.least_squares);
}

void to_json(Json& json, const LayerError::Trial& x) {
  json = {{"selection", x.selection}, {"error", x.error}};
}
void from_json(const Json& json, LayerError::Trial& x) {
  json.at("selection").get_to(x.selection);
  json.at("error").get_to(x.error);
}

void to_json(Json& json, const LayerError& x) {
  json = {{"name", x.name},
          {"channels", x.channels},
          {"kept", x.kept},
          {"error", x.error},
          {"trials", x.trials}};
}
void from_json(const Json& json, LayerError& x) {
  json.at("name").get_to(x.name);
  json.at("channels").get_to(x.channels);
  json.at("kept").get_to(x.kept);
  json.at("error").get_to(x.error);
  json.at("trials").get_to(x.trials);
}

void to_json(Json& json, const Guess& x) {
  json = {{"label", x.label}, {"probability", x.probability}};
}
void from_json(const Json& json, Guess& x) {
  json.at("label").get_to(x.label);
  json.at("probability").get_to(x.probability);
}

void to_json(Json& json, const Picture& x) {
  json = {{"png", x.png}, {"truth", x.truth}, {"top", x.top}};
}
void from_json(const Json& json, Picture& x) {
  json.at("png").get_to(x.png);
  json.at("truth").get_to(x.truth);
  json.at("top").get_to(x.top);
}

void to_json(Json& json, const Fact& x) { json = {{"label", x.label}, {"value", x.value}}; }
void from_json(const Json& json, Fact& x) {
  json.at("label").get_to(x.label);
  json.at("value").get_to(x.value);
}

void to_json(Json& json, const HeatMap::Row& x) {
  Json values = Json::array();
  for (const auto& value : x.values) values.push_back(optional_json(value));
  json = {{"name", x.name}, {"values", std::move(values)}};
}
void from_json(const Json& json, HeatMap::Row& x) {
  json.at("name").get_to(x.name);
  for (const Json& value : json.at("values"))
    x.values.push_back(value.is_null() ? std::nullopt : std::optional(value.get<double>()));
}

void to_json(Json& json, const HeatMap& x) {
  json = {{"title", x.title}, {"note", x.note},     {"columns", x.columns}, {"rows", x.rows},
          {"full", x.full},   {"digits", x.digits}, {"good", x.good}};
}
void from_json(const Json& json, HeatMap& x) {
  json.at("title").get_to(x.title);
  json.at("note").get_to(x.note);
  json.at("columns").get_to(x.columns);
  json.at("rows").get_to(x.rows);
  json.at("full").get_to(x.full);
  json.at("digits").get_to(x.digits);
  json.at("good").get_to(x.good);
  for (const HeatMap::Row& row : x.rows)
    require_width(x.title, row.values.size(), x.columns.size());
}

void to_json(Json& json, const Series& x) {
  json = {{"name", x.name}, {"points", x.points}, {"labels", x.labels}, {"crosses", x.crosses}};
}
void from_json(const Json& json, Series& x) {
  json.at("name").get_to(x.name);
  json.at("points").get_to(x.points);
  json.at("labels").get_to(x.labels);
  x.crosses = json.value("crosses", false);  // reports of version 0.1.0 have none
}

void to_json(Json& json, const Chart& x) {
  json = {{"title", x.title},     {"note", x.note},     {"x_label", x.x_label},
          {"y_label", x.y_label}, {"series", x.series}, {"lines", x.lines}};
}
void from_json(const Json& json, Chart& x) {
  json.at("title").get_to(x.title);
  json.at("note").get_to(x.note);
  json.at("x_label").get_to(x.x_label);
  json.at("y_label").get_to(x.y_label);
  json.at("series").get_to(x.series);
  json.at("lines").get_to(x.lines);
}

void to_json(Json& json, const Bars::Row& x) { json = {{"name", x.name}, {"parts", x.parts}}; }
void from_json(const Json& json, Bars::Row& x) {
  json.at("name").get_to(x.name);
  json.at("parts").get_to(x.parts);
}

void to_json(Json& json, const Bars& x) {
  json = {
      {"title", x.title}, {"note", x.note}, {"unit", x.unit}, {"parts", x.parts}, {"rows", x.rows}};
}
void from_json(const Json& json, Bars& x) {
  json.at("title").get_to(x.title);
  json.at("note").get_to(x.note);
  json.at("unit").get_to(x.unit);
  json.at("parts").get_to(x.parts);
  json.at("rows").get_to(x.rows);
  for (const Bars::Row& row : x.rows) require_width(x.title, row.parts.size(), x.parts.size());
}

void to_json(Json& json, const Table& x) {
  json = {{"title", x.title}, {"note", x.note}, {"head", x.head}, {"rows", x.rows}};
}
void from_json(const Json& json, Table& x) {
  json.at("title").get_to(x.title);
  json.at("note").get_to(x.note);
  json.at("head").get_to(x.head);
  json.at("rows").get_to(x.rows);
  for (const auto& row : x.rows) require_width(x.title, row.size(), x.head.size());
}

std::string to_json(const ReportData& data) {
  const Json json = {{"title", data.title},
                     {"summary", data.summary},
                     {"models", data.models},
                     {"stages", data.stages},
                     {"stage_mark", data.stage_mark},
                     {"layers", data.layers},
                     {"findings", data.findings},
                     {"heat_maps", data.heat_maps},
                     {"charts", data.charts},
                     {"bars", data.bars},
                     {"tables", data.tables},
                     {"layer_errors", data.layer_errors},
                     {"classes", data.classes},
                     {"confusion", data.confusion},
                     {"confusion_of", data.confusion_of},
                     {"facts", data.facts},
                     {"commands", data.commands},
                     {"next", data.next},
                     {"pictures", data.pictures}};
  // Names of files and folders need not be UTF-8.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

ReportData from_json(const std::string& text) {
  try {
    const Json json = Json::parse(text);
    ReportData data;
    json.at("title").get_to(data.title);
    json.at("summary").get_to(data.summary);
    json.at("models").get_to(data.models);
    json.at("stages").get_to(data.stages);
    json.at("stage_mark").get_to(data.stage_mark);
    json.at("layers").get_to(data.layers);
    json.at("findings").get_to(data.findings);
    json.at("heat_maps").get_to(data.heat_maps);
    json.at("charts").get_to(data.charts);
    // Reports of version 0.1.0 have none.
    if (json.contains("bars")) json.at("bars").get_to(data.bars);
    json.at("tables").get_to(data.tables);
    json.at("layer_errors").get_to(data.layer_errors);
    json.at("classes").get_to(data.classes);
    json.at("confusion").get_to(data.confusion);
    json.at("confusion_of").get_to(data.confusion_of);
    json.at("facts").get_to(data.facts);
    json.at("commands").get_to(data.commands);
    json.at("next").get_to(data.next);
    json.at("pictures").get_to(data.pictures);
    for (const auto& row : data.confusion)
      require(row.size() == data.confusion.size(), "confusion has ", data.confusion.size(),
              " rows, one has ", row.size(), " entries, should be as many");
    return data;
  } catch (const Json::exception& e) {
    throw Error(join("report data: ", e.what()));
  }
}

}  // namespace bonsai::report
