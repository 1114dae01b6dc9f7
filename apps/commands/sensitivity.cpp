// bonsai sensitivity: which layers bear pruning. Every group alone, at rising parts, without
// training; as a table, as a heat map, and in a sentence per group.
#include <algorithm>
#include <cmath>
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/analysis.h"
#include "apps/commands/commands.h"
#include "apps/console.h"
#include "apps/files.h"
#include "apps/findings.h"
#include "apps/pruning.h"
#include "apps/report/text.h"
#include "apps/signals.h"
#include "apps/steps.h"
#include "apps/usage.h"
#include "compress/sensitivity.h"
#include "engine/error.h"

namespace bonsai::app {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  AnalysisArguments analysis;
  std::string criterion = "l1";
  double step = 0.1;
};

// Which of a point's two measurements.
using Reading = Accuracy PrunedAccuracy::*;

std::vector<std::string> parts_of(double step) {
  std::vector<std::string> columns;
  for (int i = 1; i * step < 1 - 1e-9; ++i)
    columns.push_back(report::percent(i * step, step * 100 == std::round(step * 100) ? 0 : 1));
  return columns;
}

// Points of accuracy lost, per group and part; a part that was left out shows nothing.
report::HeatMap map_of(const Sensitivity& sensitivity, double step, Reading reading,
                       const std::string& title) {
  report::HeatMap map;
  map.title = title;
  map.columns = parts_of(step);
  map.full = 40;
  for (const GroupSensitivity& group : sensitivity.groups) {
    report::HeatMap::Row row{group.group, std::vector<std::optional<double>>(map.columns.size())};
    for (const SensitivityPoint& point : group.points) {
      const auto column = static_cast<size_t>(std::llround(point.part / step)) - 1;
      row.values[column] = 100 * (sensitivity.whole.accuracy - (point.without.*reading).accuracy);
    }
    map.rows.push_back(std::move(row));
  }
  return map;
}

std::string text_of(const report::HeatMap& map) {
  std::vector<std::string> head = {map.title};
  head.insert(head.end(), map.columns.begin(), map.columns.end());
  std::vector<std::vector<std::string>> rows;
  for (const report::HeatMap::Row& row : map.rows) {
    std::vector<std::string> cells = {row.name};
    for (const auto& value : row.values) cells.push_back(value ? report::fixed(*value, 1) : "");
    rows.push_back(std::move(cells));
  }
  return table(head, rows) + "\n";
}

std::vector<report::HeatMap> maps_of(const Sensitivity& sensitivity, double step) {
  std::vector<report::HeatMap> maps = {
      map_of(sensitivity, step, &PrunedAccuracy::pruned, "Points lost as pruned"),
      map_of(sensitivity, step, &PrunedAccuracy::recalibrated, "Points lost after recalibration")};
  const std::string whole = report::percent(sensitivity.whole.accuracy, 2);
  maps[0].note = "Of " + whole +
                 " accuracy, when the part of its channels on top is taken from one group alone. "
                 "Layers that must keep the same channels are one group.";
  maps[1].note =
      "The same networks after batch norm's statistics were estimated anew, without "
      "any training.";
  return maps;
}

// The most sensitive first.
std::vector<report::Fact> reasons(const Sensitivity& sensitivity) {
  const auto lost = [&](const GroupSensitivity& group) {
    const SensitivityPoint* point = point_at(group, 0.5);
    return point == nullptr ? -1
                            : sensitivity.whole.accuracy - point->without.recalibrated.accuracy;
  };
  std::vector<const GroupSensitivity*> order;
  for (const GroupSensitivity& group : sensitivity.groups) order.push_back(&group);
  std::stable_sort(order.begin(), order.end(),
                   [&](const auto* a, const auto* b) { return lost(*a) > lost(*b); });
  std::vector<report::Fact> all;
  for (const GroupSensitivity* group : order)
    all.push_back({group->group, explain(*group, sensitivity.whole)});
  return all;
}

Json json_of(const Accuracy& a) { return {{"loss", a.loss}, {"accuracy", a.accuracy}}; }

Json json_of(const GroupSensitivity& group, const Accuracy& whole) {
  Json points = Json::array();
  for (const SensitivityPoint& point : group.points)
    points.push_back({{"part", point.part},
                      {"units", point.units},
                      {"pruned", json_of(point.without.pruned)},
                      {"recalibrated", json_of(point.without.recalibrated)}});
  const GroupTraits& traits = group.traits;
  return {{"group", group.group},
          {"units", group.units},
          {"layers", traits.layers},
          {"readers", traits.readers},
          {"stage_boundary", traits.stage_boundary},
          {"effective_rank", traits.effective_rank},
          {"channels", traits.channels},
          {"why", explain(group, whole)},
          {"points", std::move(points)}};
}

Sensitivity sensitivity_of(const Analysis& analysis, const Arguments& arguments) {
  const Scores scores = find_criterion(arguments.criterion)
                            .score(Evidence(analysis.graph, analysis.coupling, analysis.calibration,
                                            arguments.analysis.seed));
  Measurements kept =
      measurements_of(analysis, arguments.analysis, "sensitivity",
                      {{"criterion", arguments.criterion}, {"step", join(arguments.step)}});
  Steps steps("sensitivity");
  return measure_sensitivity(
      analysis.graph, analysis.coupling, scores, analysis.judge(), analysis.calibration,
      {.step = arguments.step,
       .progress = [&steps](int done, int total) { steps.show(done, total); },
       .stop = &stop_requested(),
       .kept = &kept});
}

std::filesystem::path written(const Analysis& analysis, const Arguments& arguments,
                              const Invocation& invocation, const CLI::App& parser,
                              const Sensitivity& sensitivity) {
  report::ReportData report =
      report_of(analysis, arguments.analysis, invocation, "sensitivity of its layers");
  report.summary =
      "Accuracy without training when one group of layers alone loses channels, the "
      "lowest by " +
      arguments.criterion + " first.";
  if (sensitivity.stopped)
    report.summary += join(" Stopped after ", sensitivity.groups.size(), " of ",
                           analysis.coupling.groups.size(), " groups.");
  report.heat_maps = maps_of(sensitivity, arguments.step);
  report.findings = reasons(sensitivity);
  const std::filesystem::path folder = folder_of(analysis, arguments.analysis, "sensitivity");
  write_text(folder / "config.json", config_json(parser, invocation));
  return write_report(folder, report);
}

void run(const Arguments& arguments, const CLI::App& parser, const Invocation& invocation) {
  require_criterion(arguments.criterion);
  require_usage(arguments.step > 0 && arguments.step <= 0.5, "--step is ", arguments.step,
                ", should be above 0 and at most 0.5");
  apply(arguments.analysis.common);
  watch_signals();
  const Analysis analysis(arguments.analysis);
  const Sensitivity sensitivity = sensitivity_of(analysis, arguments);
  const std::string page = written(analysis, arguments, invocation, parser, sensitivity).string();
  if (sensitivity.stopped)
    throw Stopped(
        join("stopped; ", sensitivity.groups.size(), " of ", analysis.coupling.groups.size(),
             " groups are in ", page, "; go on with: ", invocation.resumed()),
        stop_signal());
  if (arguments.analysis.common.json) {
    Json groups = Json::array();
    for (const GroupSensitivity& group : sensitivity.groups)
      groups.push_back(json_of(group, sensitivity.whole));
    print_json({{"criterion", arguments.criterion},
                {"images", analysis.validation.count()},
                {"whole", json_of(sensitivity.whole)},
                {"groups", std::move(groups)},
                {"report", page}});
    return;
  }
  print("accuracy " + report::percent(sensitivity.whole.accuracy, 2) + "\n\n");
  for (const report::HeatMap& map : maps_of(sensitivity, arguments.step)) print(text_of(map));
  for (const report::Fact& reason : reasons(sensitivity))
    print(reason.label + ": " + reason.value + "\n");
  print("\nreport: " + page + "\n");
}

Job define(CLI::App& parser, const Invocation& invocation) {
  auto arguments = std::make_shared<Arguments>();
  add_analysis(parser, arguments->analysis);
  add_criterion(parser, arguments->criterion);
  parser.add_option("--step", arguments->step, "parts to take out: step, 2 step, ... below 1");
  return [arguments, &parser, &invocation] { run(*arguments, parser, invocation); };
}

}  // namespace

const Command sensitivity_command = {
    "sensitivity", "find out which layers bear pruning",
    "  bonsai sensitivity model.bonsai --data cifar10\n"
    "  bonsai sensitivity model.bonsai --data my-pictures --criterion taylor --step 0.25\n",
    define};

}  // namespace bonsai::app
