#include "apps/control_report.h"

#include <nlohmann/json.hpp>

#include "apps/report/text.h"
#include "engine/error.h"

namespace bonsai::app {
namespace {

using Json = nlohmann::ordered_json;

std::vector<std::string> row_of(const std::string& name, int groups, const NetworkCost& cost,
                                const NetworkCost& whole) {
  const auto part = [](int64_t now, int64_t before) {
    const auto count = static_cast<double>(now);
    return join(report::short_count(count), " (",
                report::percent(count / static_cast<double>(before), 1), ")");
  };
  return {name,
          groups > 0 ? std::to_string(groups) : "",
          part(cost.macs, whole.macs),
          part(cost.params, whole.params),
          report::milliseconds(cost.ms),
          cost.ms > 0 ? report::fixed(whole.ms / cost.ms, 2) + "x" : ""};
}

const char* meaning(PruningMode mode) {
  switch (mode) {
    case PruningMode::inner:
      return "inner: layers alone";
    case PruningMode::coupled:
      return "coupled: and shared stages";
    case PruningMode::blocks:
      return "blocks: and whole blocks";
  }
  return "";
}

}  // namespace

report::Table ceiling_table(const NetworkCost& whole, const std::vector<Ceiling>& ceilings) {
  report::Table table;
  table.title = "What can be reached";
  table.note =
      "The least that is left when every layer that a mode may prune is as narrow as its rounding "
      "allows. Times are predicted for one thread from layers timed alone.";
  table.head = {"mode", "parts", "MACs", "parameters", "time", "quicker"};
  table.rows.push_back(row_of("as it is", 0, whole, whole));
  for (const Ceiling& ceiling : ceilings)
    table.rows.push_back(
        row_of(meaning(ceiling.mode), ceiling.groups + ceiling.blocks, ceiling.least, whole));
  return table;
}

report::Chart trajectory(const std::vector<Record>& journal, const Target& target,
                         double max_drop) {
  const auto& start = std::get<StartRecord>(journal.front().what);
  const double whole = amount(start.cost, target.resource);
  report::Chart chart;
  chart.title = "Steps";
  chart.note = "Accuracy on the pictures held out after each step, from right to left.";
  chart.x_label =
      join("percent of ", resource_names[static_cast<size_t>(target.resource)], " left");
  chart.y_label = "accuracy, percent";
  report::Series kept{"kept", {{100, 100 * start.validation.accuracy}}, {"start"}},
      taken{"taken back", {}, {}, true};
  double x = 100, lowest = 100;
  for (const Record& record : journal) {
    if (const auto* plan = std::get_if<PlanRecord>(&record.what))
      x = 100 * amount(plan->cost, target.resource) / whole;
    const auto* result = std::get_if<ResultRecord>(&record.what);
    if (result == nullptr || result->diverged) continue;
    report::Series& series = result->kept ? kept : taken;
    series.points.push_back({x, 100 * result->validation.accuracy});
    series.labels.push_back(join("step ", result->number));
    lowest = std::min(lowest, x);
  }
  const double least = 100 * start.validation.accuracy - max_drop;
  const report::Series allowed{"least that is allowed", {{lowest, least}, {100, least}}, {}};
  chart.series = {std::move(kept), std::move(taken), allowed};
  return chart;
}

Json steps_json(const std::vector<Record>& journal) {
  Json steps = Json::array();
  const PlanRecord* plan = nullptr;
  for (const Record& record : journal) {
    if (const auto* found = std::get_if<PlanRecord>(&record.what)) plan = found;
    const auto* result = std::get_if<ResultRecord>(&record.what);
    if (result == nullptr || plan == nullptr) continue;
    Json moves = Json::array();
    for (const Move& move : plan->moves)
      moves.push_back({{"group", move.group}, {"from", move.from}, {"to", move.to}});
    steps.push_back({{"number", result->number},
                     {"moves", std::move(moves)},
                     {"chosen_by", plan->chosen_by},
                     {"solved", plan->solved},
                     {"macs", plan->cost.macs},
                     {"params", plan->cost.params},
                     {"predicted_ms", plan->cost.ms},
                     {"recalibrated", plan->recalibrated.accuracy},
                     {"accuracy", result->diverged ? Json() : Json(result->validation.accuracy)},
                     {"epochs", result->epochs},
                     {"kept", result->kept},
                     {"seconds", record.seconds}});
  }
  return steps;
}

}  // namespace bonsai::app
