// bonsai profile: what the layers of a trained network look like, and whether that says anything
// about depth or about what they bear.
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/analysis.h"
#include "apps/commands/commands.h"
#include "apps/console.h"
#include "apps/files.h"
#include "apps/findings.h"
#include "apps/report/text.h"
#include "apps/signals.h"
#include "apps/steps.h"
#include "apps/training.h"
#include "compress/profile.h"
#include "compress/sensitivity.h"

namespace bonsai::app {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* caution =
    "Raw norms follow the size of the filter (weights start at sqrt(2 / fan-in)), and batch norm "
    "undoes any scale: compare folded figures across layers.";

struct Found {
  std::vector<LayerProfile> layers;
  std::vector<std::optional<double>> lost;  // per group, points at half of its units
  std::vector<Correlation> with_depth, with_lost;
};

// What each group loses at half of its units, after recalibration.
std::vector<std::optional<double>> points_lost(const Analysis& analysis,
                                               const AnalysisArguments& arguments) {
  Measurements kept = measurements_of(analysis, arguments, "profile", {});
  Steps steps("sensitivity");
  const Sensitivity sensitivity = measure_sensitivity(
      analysis.graph, analysis.coupling, l1_norm(analysis.graph, analysis.coupling),
      analysis.judge(), analysis.calibration,
      {.step = 0.5,
       .progress = [&steps](int done, int total) { steps.show(done, total); },
       .stop = &stop_requested(),
       .kept = &kept});
  steps.clear();
  end_if_stopped();
  std::vector<std::optional<double>> lost;
  for (const GroupSensitivity& group : sensitivity.groups) {
    const SensitivityPoint* point = point_at(group, 0.5);
    lost.push_back(point == nullptr ? std::nullopt
                                    : std::optional(100 * (sensitivity.whole.accuracy -
                                                           point->without.recalibrated.accuracy)));
  }
  return lost;
}

std::string optional_text(const std::optional<double>& value, int digits) {
  return value ? report::fixed(*value, digits) : "";
}

std::optional<double> lost_by(const Found& found, const LayerProfile& layer) {
  return layer.group < 0 ? std::nullopt : found.lost[static_cast<size_t>(layer.group)];
}

std::string range_text(const FilterFigures& figures) {
  return report::fixed(figures.low, 2) + " .. " + report::fixed(figures.high, 2);
}

std::string norm_text(const FilterFigures& figures) {
  return report::fixed(figures.norms[0], 3) + " " + report::fixed(figures.norms[2], 3) + " " +
         report::fixed(figures.norms[4], 3);
}

report::Table layer_table(const Found& found) {
  report::Table table{"Layers",
                      std::string("Norms: least, median, largest. ") + caution,
                      {"layer", "weights", "norms", "fall", "folded weights", "folded norms",
                       "folded fall", "gamma", "zeros", "rank", "points lost"},
                      {}};
  for (const LayerProfile& layer : found.layers)
    table.rows.push_back(
        {layer.name, range_text(layer.raw), norm_text(layer.raw), report::fixed(layer.raw.fall, 2),
         range_text(layer.folded), norm_text(layer.folded), report::fixed(layer.folded.fall, 2),
         optional_text(layer.gamma, 2), layer.zeros ? report::percent(*layer.zeros, 0) : "",
         join(layer.effective_rank, "/", layer.channels), optional_text(lost_by(found, layer), 1)});
  return table;
}

report::Table correlation_table(const std::string& title, const std::string& note,
                                const std::vector<Correlation>& correlations) {
  report::Table table{title, note, {"figure", "pairs", "rho", "95 % interval", ""}, {}};
  for (const Correlation& c : correlations)
    table.rows.push_back(
        {c.figure, std::to_string(c.pairs), report::fixed(c.rho, 2),
         report::fixed(c.interval.low, 2) + " .. " + report::fixed(c.interval.high, 2),
         c.interval.low > 0 || c.interval.high < 0 ? "clear" : "not clear"});
  return table;
}

std::vector<report::Table> tables_of(const Found& found) {
  const std::string how =
      "Spearman's rho and its bootstrap interval; with few layers it is too "
      "narrow.";
  return {layer_table(found), correlation_table("With depth", how, found.with_depth),
          correlation_table("With points lost",
                            "What a group loses without half of its channels, after "
                            "recalibration. " +
                                how,
                            found.with_lost)};
}

report::Chart norm_chart(const Found& found, const std::string& title,
                         FilterFigures LayerProfile::*figures) {
  constexpr std::array names = {"least", "first quarter", "median", "third quarter", "largest"};
  report::Chart chart{title, "", "depth", "norm of a filter (mean |w|)", {}};
  for (size_t q = names.size(); q-- > 0;) {
    report::Series series{names[q], {}, {}};
    for (const LayerProfile& layer : found.layers) {
      series.points.push_back({static_cast<double>(layer.depth), (layer.*figures).norms[q]});
      series.labels.push_back(layer.name + ", " + names[q]);
    }
    chart.series.push_back(std::move(series));
  }
  return chart;
}

std::vector<report::Chart> charts_of(const Found& found) {
  report::Chart shares{"Zeros and effective rank by depth", "", "depth", "part", {}};
  shares.series = {{"zeros behind relu", {}, {}}, {"effective rank / channels", {}, {}}};
  report::Chart ranges{"Range of folded weights and points lost",
                       "A dot is a layer.",
                       "largest less smallest weight, folded",
                       "points lost",
                       {},
                       false};
  ranges.series = {{"layers", {}, {}}};
  for (const LayerProfile& layer : found.layers) {
    const double depth = layer.depth;
    if (layer.zeros) {
      shares.series[0].points.push_back({depth, *layer.zeros});
      shares.series[0].labels.push_back(layer.name + ", zeros");
    }
    shares.series[1].points.push_back(
        {depth, static_cast<double>(layer.effective_rank) / std::max(1, layer.channels)});
    shares.series[1].labels.push_back(layer.name + ", rank");
    if (const auto lost = lost_by(found, layer)) {
      ranges.series[0].points.push_back({layer.folded.high - layer.folded.low, *lost});
      ranges.series[0].labels.push_back(layer.name);
    }
  }
  return {norm_chart(found, "Norms of filters by depth", &LayerProfile::raw),
          norm_chart(found, "Norms of folded filters by depth", &LayerProfile::folded), shares,
          ranges};
}

Json json_of(const FilterFigures& f) {
  return {
      {"low", f.low}, {"high", f.high}, {"norms", f.norms}, {"spread", f.spread}, {"fall", f.fall}};
}

Json json_of(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

Json json_of(const std::vector<Correlation>& correlations) {
  Json all = Json::array();
  for (const Correlation& c : correlations)
    all.push_back({{"figure", c.figure},
                   {"pairs", c.pairs},
                   {"rho", c.rho},
                   {"low", c.interval.low},
                   {"high", c.interval.high}});
  return all;
}

Json json_of(const Found& found) {
  Json layers = Json::array();
  for (const LayerProfile& layer : found.layers)
    layers.push_back({{"name", layer.name},
                      {"depth", layer.depth},
                      {"raw", json_of(layer.raw)},
                      {"folded", json_of(layer.folded)},
                      {"gamma", json_of(layer.gamma)},
                      {"zeros", json_of(layer.zeros)},
                      {"channels", layer.channels},
                      {"effective_rank", layer.effective_rank},
                      {"points_lost", json_of(lost_by(found, layer))}});
  return {{"layers", std::move(layers)},
          {"with_depth", json_of(found.with_depth)},
          {"with_points_lost", json_of(found.with_lost)}};
}

void run(const AnalysisArguments& arguments, const CLI::App& parser, const Invocation& invocation) {
  apply(arguments.common);
  const Analysis analysis(arguments);
  Found found;
  found.layers = profile_layers(analysis.graph, analysis.coupling, analysis.calibration);
  run_resumable(invocation, [&] { found.lost = points_lost(analysis, arguments); });
  found.with_depth = correlate_with_depth(found.layers, arguments.seed);
  found.with_lost = correlate_with_groups(found.layers, found.lost, arguments.seed);

  report::ReportData report = report_of(analysis, arguments, invocation, "profile");
  report.summary =
      "Weights and activations of every layer, as stored and with batch norm folded "
      "in, against depth and against what the layer bears.";
  report.tables = tables_of(found);
  report.charts = charts_of(found);
  const std::filesystem::path folder = folder_of(analysis, arguments, "profile");
  write_text(folder / "config.json", config_json(parser, invocation));
  const std::string page = write_report(folder, report).string();
  if (arguments.common.json) {
    Json json = json_of(found);
    json["report"] = page;
    print_json(json);
    return;
  }
  for (const report::Table& part : report.tables)
    print(part.title + "\n" + table(part.head, part.rows) + part.note + "\n\n");
  print("report: " + page + "\n");
}

Job define(CLI::App& parser, const Invocation& invocation) {
  auto arguments = std::make_shared<AnalysisArguments>();
  add_analysis(parser, *arguments);
  return [arguments, &parser, &invocation] { run(*arguments, parser, invocation); };
}

}  // namespace

const Command profile_command = {
    "profile", "what the layers of a trained network look like",
    "  bonsai profile model.bonsai --data cifar10\n"
    "  bonsai profile model.bonsai --data my-pictures --calibration 256 --json\n",
    define};

}  // namespace bonsai::app
