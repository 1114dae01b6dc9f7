#include "apps/measure.h"

#include <nlohmann/json.hpp>

#include "apps/console.h"
#include "apps/report/comparison.h"
#include "compress/measure.h"

namespace bonsai::app {
namespace {

report::Latency shown(const Latency& latency) { return {latency.median_ms, latency.p90_ms}; }

report::Measurement shown(const std::string& name, const Measurement& m,
                          std::optional<double> accuracy) {
  report::Measurement result;
  result.name = name;
  result.params = m.params;
  result.macs = m.macs;
  result.file_bytes = m.file_bytes;
  result.activation_bytes = m.activation_bytes;
  result.one_thread = shown(m.one_thread);
  result.all_threads = shown(m.all_threads);
  result.threads = m.threads;
  result.accuracy = accuracy;
  return result;
}

}  // namespace

report::Measurement measured(const std::string& name, const Graph& graph,
                             std::optional<double> accuracy) {
  return shown(name, measure(graph), accuracy);
}

std::vector<report::Measurement> compared(const Graph& before,
                                          std::optional<double> accuracy_before, const Graph& after,
                                          std::optional<double> accuracy_after) {
  const Comparison both = compare(before, after);
  return {shown("before", both.before, accuracy_before),
          shown("after", both.after, accuracy_after)};
}

nlohmann::ordered_json figures(const report::Measurement& m) {
  using Json = nlohmann::ordered_json;
  return {{"params", m.params},
          {"macs", m.macs},
          {"bytes", m.file_bytes},
          {"activation_bytes", m.activation_bytes},
          {"latency_ms", m.one_thread ? Json(m.one_thread->median_ms) : Json()},
          {"accuracy", m.accuracy ? Json(*m.accuracy) : Json()}};
}

std::string comparison_text(const std::vector<report::Measurement>& models) {
  std::vector<std::string> head = {""};
  for (const report::Measurement& model : models) head.push_back(model.name);
  head.emplace_back(models.size() > 1 ? "change" : "");
  std::vector<std::vector<std::string>> rows;
  for (const report::ComparisonRow& row : report::comparison(models)) {
    std::vector<std::string> cells = {row.label};
    cells.insert(cells.end(), row.figures.begin(), row.figures.end());
    cells.push_back(row.change);
    rows.push_back(std::move(cells));
  }
  const bool measured = !models.empty() && models.back().one_thread;
  return table(head, rows) +
         (measured ? "latency: of one picture, median (90th percentile)\n" : "");
}

}  // namespace bonsai::app
