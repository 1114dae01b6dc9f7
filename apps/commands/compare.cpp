// bonsai compare: which criterion is right. Each against the measured loss of every channel alone,
// and by what is left of a network that is pruned by it.
#include <algorithm>
#include <map>
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/analysis.h"
#include "apps/commands/commands.h"
#include "apps/console.h"
#include "apps/files.h"
#include "apps/findings.h"
#include "apps/method_comparison.h"
#include "apps/report/text.h"
#include "apps/signals.h"
#include "apps/steps.h"
#include "apps/usage.h"
#include "compress/calibration.h"
#include "compress/criteria_comparison.h"
#include "compress/oracle.h"

namespace bonsai::app {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  AnalysisArguments analysis;
  int channels = 32, oracle_images = 256;
};

struct Found {
  std::map<int, double> oracle;  // by unit
  std::vector<ComparedCriterion> criteria;
  std::vector<NormRatio> norms;
  std::vector<ComparedMethod> methods;
  CurveOptions curves;

  const ComparedCriterion& find(const std::string& name) const {
    return *std::find_if(criteria.begin(), criteria.end(),
                         [&](const ComparedCriterion& c) { return c.name == name; });
  }
  size_t cut_place() const {
    return static_cast<size_t>(std::find(curves.parts.begin(), curves.parts.end(), curves.cut) -
                               curves.parts.begin());
  }
};

std::map<int, double> oracle_of(const Analysis& analysis, const Arguments& arguments) {
  const std::vector<int> units =
      sample_units(analysis.coupling, arguments.channels, arguments.analysis.seed);
  const std::vector<Batch> pictures =
      calibration_batches(analysis.validation, analysis.data.mean, analysis.data.std,
                          {.images = arguments.oracle_images, .seed = arguments.analysis.seed});
  say(join("oracle: the loss without each of ", units.size(), " of ",
           analysis.coupling.units.size(), " channels alone"));
  Steps steps("oracle");
  const std::vector<double> increase =
      loss_increase(analysis.graph, analysis.coupling, units, pictures,
                    {.progress = [&steps](int done, int total) { steps.show(done, total); },
                     .stop = &stop_requested()});
  steps.clear();
  end_if_stopped();
  std::map<int, double> by_unit;
  for (size_t i = 0; i < units.size(); ++i) by_unit[units[i]] = increase[i];
  return by_unit;
}

Found found_by(const Analysis& analysis, const Arguments& arguments) {
  Found found;
  found.oracle = oracle_of(analysis, arguments);
  const Evidence evidence(analysis.graph, analysis.coupling, analysis.calibration,
                          arguments.analysis.seed);
  found.criteria = compared_criteria(evidence, found.oracle);
  found.norms = norm_ratios(evidence);
  Steps steps("pruning by every criterion");
  found.curves.progress = [&steps](int done, int total) { steps.show(done, total); };
  found.curves.stop = &stop_requested();
  measure_curves(found.criteria, evidence, analysis.judge(), analysis.calibration, found.curves);
  found.curves.progress = {};
  steps.clear();
  end_if_stopped();
  found.methods = compared_methods(analysis, arguments.analysis, found.curves.cut);
  return found;
}

std::vector<const ComparedCriterion*> scored(const Found& found) {
  std::vector<const ComparedCriterion*> all;
  for (const ComparedCriterion& c : found.criteria)
    if (c.refused.empty()) all.push_back(&c);
  return all;
}

report::Table summary_table(const Found& found) {
  const std::string cut = report::percent(found.curves.cut, 0);
  report::Table table{"Criteria",
                      "rho and tau: rank correlation with the measured increase of the loss, "
                      "within groups, the mean over them. Accuracy without training, the part on "
                      "top taken from every group.",
                      {"criterion", "rho", "tau", "accuracy -" + cut, "recalibrated"},
                      {}};
  for (const ComparedCriterion* c : scored(found)) {
    const PrunedAccuracy& at_cut = c->curve[found.cut_place()];
    table.rows.push_back(
        {c->name, report::fixed(c->agreement.spearman, 2), report::fixed(c->agreement.kendall, 2),
         report::percent(at_cut.pruned.accuracy), report::percent(at_cut.recalibrated.accuracy)});
  }
  return table;
}

report::Table curve_table(const Found& found, const std::string& title,
                          Accuracy PrunedAccuracy::*reading) {
  report::Table table{title, "", {"criterion"}, {}};
  for (const double part : found.curves.parts) table.head.push_back(report::percent(part, 0));
  for (const ComparedCriterion* c : scored(found)) {
    std::vector<std::string> cells = {c->name};
    for (const PrunedAccuracy& point : c->curve)
      cells.push_back(report::fixed(100 * (point.*reading).accuracy, 1));
    table.rows.push_back(std::move(cells));
  }
  return table;
}

report::Table norm_table(const Found& found) {
  report::Table table{"L1 against L2",
                      "sqrt(n) L2 / L1 of a filter of n weights: 1 when all are equally large, "
                      "1.25 when they are normal, more when few dominate. Where it hardly varies, "
                      "the two norms rank alike.",
                      {"group", "filters", "mean ratio", "deviation", "rho of L1 and L2"},
                      {}};
  for (const NormRatio& r : found.norms)
    table.rows.push_back({r.group, std::to_string(r.filters), report::fixed(r.mean, 3),
                          report::fixed(r.deviation, 3), report::fixed(r.spearman, 3)});
  return table;
}

report::HeatMap agreement_map(const Analysis& analysis, const Found& found) {
  report::HeatMap map;
  map.title = "Agreement with the oracle";
  map.note =
      "Spearman's rho of a criterion's scores and the measured increase of the loss, by "
      "group. 1: it ranks as the loss does; 0: it might as well be chance.";
  map.digits = 2;
  map.good = true;
  for (const ComparedCriterion* c : scored(found))
    if (c->name != "oracle") map.columns.push_back(c->name);
  for (size_t g = 0; g < analysis.coupling.groups.size(); ++g) {
    report::HeatMap::Row row{analysis.coupling.groups[g].name, {}};
    for (const ComparedCriterion* c : scored(found)) {
      if (c->name == "oracle") continue;
      const auto& of_group = c->agreement.groups[g];
      row.values.push_back(of_group ? std::optional(of_group->spearman) : std::nullopt);
    }
    map.rows.push_back(std::move(row));
  }
  return map;
}

report::HeatMap overlap_map(const Found& found) {
  report::HeatMap map;
  map.title = "Overlap of choices";
  map.note = "Of the channels that either of two criteria removes when " +
             report::percent(found.curves.cut, 0) +
             " of every group go: the part that both remove. Chance gives a third.";
  map.digits = 2;
  map.good = true;
  for (const ComparedCriterion* c : scored(found)) map.columns.push_back(c->name);
  for (const ComparedCriterion* a : scored(found)) {
    report::HeatMap::Row row{a->name, {}};
    for (const ComparedCriterion* b : scored(found))
      row.values.emplace_back(overlap(a->chosen, b->chosen));
    map.rows.push_back(std::move(row));
  }
  return map;
}

report::Chart curve_chart(const Found& found, const std::string& title,
                          Accuracy PrunedAccuracy::*reading) {
  report::Chart chart{
      title, "", "part of every group's channels that is gone, %", "accuracy, %", {}};
  for (const ComparedCriterion* c : scored(found)) {
    report::Series series{c->name, {}, {}};
    for (size_t i = 0; i < c->curve.size(); ++i)
      series.points.push_back({100 * found.curves.parts[i], 100 * (c->curve[i].*reading).accuracy});
    chart.series.push_back(std::move(series));
  }
  return chart;
}

std::vector<report::Fact> findings_of(const Found& found) {
  const ComparedCriterion *closest = nullptr, *best = nullptr;
  const auto accuracy = [&](const ComparedCriterion* c) {
    return c->curve[found.cut_place()].recalibrated.accuracy;
  };
  for (const ComparedCriterion* c : scored(found)) {
    if (c->name == "oracle") continue;
    if (!closest || c->agreement.spearman > closest->agreement.spearman) closest = c;
    if (!best || accuracy(c) > accuracy(best)) best = c;
  }
  const std::string cut = report::percent(found.curves.cut, 0);
  std::vector<report::Fact> facts = {
      {"closest to the oracle",
       join(closest->name, ", rho ", report::fixed(closest->agreement.spearman, 2))},
      {"best accuracy", join(best->name, ", ", report::percent(accuracy(best)), " without ", cut,
                             " of the channels, recalibrated; chance keeps ",
                             report::percent(accuracy(&found.find("random"))))},
      {"L1 or L2",
       explain_norms(found.norms, overlap(found.find("l1").chosen, found.find("l2").chosen))}};
  for (const ComparedCriterion& c : found.criteria)
    if (!c.refused.empty()) facts.push_back({c.name + " left out", c.refused});
  for (const ComparedMethod& m : found.methods)
    if (!m.refused.empty()) facts.push_back({m.name + " left out", m.refused});
  return facts;
}

Json json_of(const Analysis& analysis, const Found& found) {
  Json criteria = Json::array();
  for (const ComparedCriterion& c : found.criteria) {
    if (!c.refused.empty()) {
      criteria.push_back({{"name", c.name}, {"refused", c.refused}});
      continue;
    }
    Json groups = Json::object(), curve = Json::array();
    for (size_t g = 0; g < c.agreement.groups.size(); ++g) {
      const auto& of_group = c.agreement.groups[g];
      if (of_group)
        groups[analysis.coupling.groups[g].name] = {{"units", of_group->units},
                                                    {"spearman", of_group->spearman},
                                                    {"kendall", of_group->kendall}};
    }
    for (size_t i = 0; i < c.curve.size(); ++i)
      curve.push_back({{"part", found.curves.parts[i]},
                       {"accuracy", c.curve[i].pruned.accuracy},
                       {"recalibrated", c.curve[i].recalibrated.accuracy}});
    Json overlaps = Json::object();
    for (const ComparedCriterion* other : scored(found))
      overlaps[other->name] = overlap(c.chosen, other->chosen);
    criteria.push_back({{"name", c.name},
                        {"spearman", c.agreement.spearman},
                        {"kendall", c.agreement.kendall},
                        {"groups", std::move(groups)},
                        {"curve", std::move(curve)},
                        {"overlap", std::move(overlaps)}});
  }
  Json norms = Json::array();
  for (const NormRatio& r : found.norms)
    norms.push_back({{"group", r.group},
                     {"filters", r.filters},
                     {"mean", r.mean},
                     {"deviation", r.deviation},
                     {"spearman", r.spearman}});
  return {{"oracle_units", found.oracle.size()},
          {"criteria", std::move(criteria)},
          {"methods", methods_json(found.methods)},
          {"l1_l2", std::move(norms)}};
}

void run(const Arguments& arguments, const CLI::App& parser, const Invocation& invocation) {
  apply(arguments.analysis.common);
  watch_signals();
  const Analysis analysis(arguments.analysis);
  const Found found = found_by(analysis, arguments);

  report::ReportData report =
      report_of(analysis, arguments.analysis, invocation, "criteria compared");
  report.summary =
      join("Criteria for pruning against the measured loss without each of ", found.oracle.size(),
           " channels alone, and by what they leave of the "
           "network.");
  report.findings = findings_of(found);
  report.heat_maps = {agreement_map(analysis, found), overlap_map(found)};
  report.charts = {
      curve_chart(found, "Accuracy as pruned", &PrunedAccuracy::pruned),
      curve_chart(found, "Accuracy after recalibration", &PrunedAccuracy::recalibrated)};
  report.tables = {summary_table(found), method_table(found.methods, found.curves.cut),
                   norm_table(found)};
  const std::filesystem::path folder = folder_of(analysis, arguments.analysis, "compare");
  make_folder(folder);
  write_text(folder / "config.json", config_json(parser, invocation));
  const std::string page = write_report(folder, report).string();
  if (arguments.analysis.common.json) {
    Json json = json_of(analysis, found);
    json["report"] = page;
    print_json(json);
    return;
  }
  for (const report::Table& part :
       {summary_table(found), method_table(found.methods, found.curves.cut),
        curve_table(found, "Accuracy as pruned", &PrunedAccuracy::pruned),
        curve_table(found, "Accuracy after recalibration", &PrunedAccuracy::recalibrated),
        norm_table(found)})
    print(part.title + "\n" + table(part.head, part.rows) + part.note + "\n\n");
  for (const report::Fact& fact : report.findings) print(fact.label + ": " + fact.value + "\n");
  print("\nreport: " + page + "\n");
}

Job define(CLI::App& parser, const Invocation& invocation) {
  auto arguments = std::make_shared<Arguments>();
  add_analysis(parser, arguments->analysis);
  parser
      .add_option("--channels", arguments->channels,
                  "of each group that the oracle measures; 0: all")
      ->check(CLI::NonNegativeNumber);
  parser
      .add_option("--oracle-images", arguments->oracle_images,
                  "pictures that the oracle measures the loss on; 0: all held out")
      ->check(CLI::NonNegativeNumber);
  return [arguments, &parser, &invocation] { run(*arguments, parser, invocation); };
}

}  // namespace

const Command compare_command = {
    "compare", "find out which criterion is right for a network",
    "  bonsai compare model.bonsai --data cifar10\n"
    "  bonsai compare model.bonsai --data my-pictures --channels 0 --oracle-images 500\n",
    define};

}  // namespace bonsai::app
