// bonsai compare: which criterion is right. Each against the measured loss of every channel alone,
// and by what is left of a network that is pruned by it.
#include <algorithm>
#include <functional>
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/commands/commands.h"
#include "apps/compared.h"
#include "apps/console.h"
#include "apps/files.h"
#include "apps/findings.h"
#include "apps/report/text.h"
#include "apps/training.h"
#include "apps/usage.h"
#include "engine/error.h"

namespace bonsai::app {
namespace {

using Json = nlohmann::ordered_json;

using Arguments = CompareArguments;

std::vector<const ComparedCriterion*> scored(const Compared& found) {
  std::vector<const ComparedCriterion*> all;
  for (const ComparedCriterion& c : found.criteria)
    if (c.refused.empty()) all.push_back(&c);
  return all;
}

report::Table summary_table(const Compared& found) {
  const std::string cut = report::percent(found.curves.cut, 0);
  report::Table table{"Criteria",
                      "rho and tau: rank correlation with the measured increase of the loss, "
                      "within groups, the mean over them. Accuracy without training, the part on "
                      "top taken from every group.",
                      {"criterion", "rho", "tau", "accuracy -" + cut, "recalibrated"},
                      {}};
  for (const Treatment& treatment : found.curves.treatments) table.head.push_back(treatment.name);
  for (const ComparedCriterion* c : scored(found)) {
    const PrunedAccuracy& at_cut = c->curve[found.cut_place()];
    table.rows.push_back(
        {c->name, report::fixed(c->agreement.spearman, 2), report::fixed(c->agreement.kendall, 2),
         report::percent(at_cut.pruned.accuracy), report::percent(at_cut.recalibrated.accuracy)});
    for (const std::vector<Accuracy>& by_part : c->treated)
      table.rows.back().push_back(report::percent(by_part[found.cut_place()].accuracy));
  }
  return table;
}

// Accuracies of one criterion, by part.
using Curve = std::function<std::vector<Accuracy>(const ComparedCriterion&)>;

struct NamedCurve {
  std::string title;
  Curve of;
};

Curve reading(Accuracy PrunedAccuracy::*member) {
  return [member](const ComparedCriterion& c) {
    std::vector<Accuracy> curve;
    for (const PrunedAccuracy& point : c.curve) curve.push_back(point.*member);
    return curve;
  };
}

// As pruned, recalibrated, and after every treatment.
std::vector<NamedCurve> curves_of(const Compared& found) {
  std::vector<NamedCurve> all = {
      {"Accuracy as pruned", reading(&PrunedAccuracy::pruned)},
      {"Accuracy after recalibration", reading(&PrunedAccuracy::recalibrated)}};
  for (size_t t = 0; t < found.curves.treatments.size(); ++t)
    all.push_back({"Accuracy, " + found.curves.treatments[t].name,
                   [t](const ComparedCriterion& c) { return c.treated[t]; }});
  return all;
}

report::Table curve_table(const Compared& found, const NamedCurve& curve) {
  report::Table table{curve.title, "", {"criterion"}, {}};
  for (const double part : found.curves.parts) table.head.push_back(report::percent(part, 0));
  for (const ComparedCriterion* c : scored(found)) {
    std::vector<std::string> cells = {c->name};
    for (const Accuracy& point : curve.of(*c))
      cells.push_back(report::fixed(100 * point.accuracy, 1));
    table.rows.push_back(std::move(cells));
  }
  return table;
}

report::Table norm_table(const Compared& found) {
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

report::HeatMap agreement_map(const Analysis& analysis, const Compared& found) {
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

report::HeatMap overlap_map(const Compared& found) {
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

report::Chart curve_chart(const Compared& found, const NamedCurve& curve) {
  report::Chart chart{
      curve.title, "", "part of every group's channels that is gone, %", "accuracy, %", {}};
  for (const ComparedCriterion* c : scored(found)) {
    report::Series series{c->name, {}, {}};
    const std::vector<Accuracy> points = curve.of(*c);
    for (size_t i = 0; i < points.size(); ++i)
      series.points.push_back({100 * found.curves.parts[i], 100 * points[i].accuracy});
    chart.series.push_back(std::move(series));
  }
  return chart;
}

std::vector<report::Fact> findings_of(const Compared& found) {
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

Json json_of(const Analysis& analysis, const Compared& found) {
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
    for (size_t i = 0; i < c.curve.size(); ++i) {
      curve.push_back({{"part", found.curves.parts[i]},
                       {"accuracy", c.curve[i].pruned.accuracy},
                       {"recalibrated", c.curve[i].recalibrated.accuracy}});
      for (size_t t = 0; t < c.treated.size(); ++t)
        curve.back()[found.curves.treatments[t].name] = c.treated[t][i].accuracy;
    }
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
  require_usage(!arguments.parts.empty(), "--parts names none, should be like 0.3,0.5");
  for (const double part : arguments.parts)
    require_usage(part > 0 && part < 1, "--parts has ", part, ", should be above 0 and below 1");
  apply(arguments.analysis.common);
  const Analysis analysis(arguments.analysis);
  Compared found;
  run_resumable(invocation, [&] { found = compared_by(analysis, arguments); });

  report::ReportData report =
      report_of(analysis, arguments.analysis, invocation, "criteria compared");
  report.summary =
      join("Criteria for pruning against the measured loss without each of ", found.oracle.size(),
           " channels alone, and by what they leave of the "
           "network.");
  report.findings = findings_of(found);
  report.heat_maps = {agreement_map(analysis, found), overlap_map(found)};
  for (const NamedCurve& curve : curves_of(found))
    report.charts.push_back(curve_chart(found, curve));
  report.tables = {summary_table(found), method_table(found.methods, found.curves.cut),
                   norm_table(found)};
  const std::filesystem::path folder = folder_of(analysis, arguments.analysis, "compare");
  write_text(folder / "config.json", config_json(parser, invocation));
  const std::string page = write_report(folder, report).string();
  if (arguments.analysis.common.json) {
    Json json = json_of(analysis, found);
    json["report"] = page;
    print_json(json);
    return;
  }
  std::vector<report::Table> tables = {summary_table(found),
                                       method_table(found.methods, found.curves.cut)};
  for (const NamedCurve& curve : curves_of(found)) tables.push_back(curve_table(found, curve));
  tables.push_back(norm_table(found));
  for (const report::Table& part : tables)
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
  parser.add_option("--parts", arguments->parts, "parts of every group to take out")
      ->delimiter(',');
  parser.add_flag("--repair", arguments->repair,
                  "also judge networks whose remaining weights are solved for by least squares");
  parser
      .add_option("--finetune", arguments->finetune,
                  "also judge networks after so many epochs of training each (slow)")
      ->check(CLI::Range(0, 1000));
  return [arguments, &parser, &invocation] { run(*arguments, parser, invocation); };
}

}  // namespace

const Command compare_command = {
    "compare", "find out which criterion is right for a network",
    "  bonsai compare model.bonsai --data cifar10\n"
    "  bonsai compare model.bonsai --data my-pictures --channels 0 --oracle-images 500\n"
    "  bonsai compare model.bonsai --data cifar10 --repair --finetune 1 --parts 0.5\n",
    define};

}  // namespace bonsai::app
