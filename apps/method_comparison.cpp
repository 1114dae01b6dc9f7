#include "apps/method_comparison.h"

#include <functional>
#include <nlohmann/json.hpp>

#include "apps/console.h"
#include "apps/pruning.h"
#include "apps/report/text.h"
#include "apps/signals.h"
#include "apps/usage.h"
#include "compress/prune.h"

namespace bonsai::app {
namespace {

double part_left(const Analysis& analysis, const Cost& cost) {
  return static_cast<double>(cost.macs) / static_cast<double>(total_cost(analysis.graph).macs);
}

// What `measure` fills in, or why it cannot be had.
ComparedMethod compared(const std::string& name,
                        const std::function<void(ComparedMethod&)>& measure) {
  ComparedMethod method{.name = name};
  try {
    measure(method);
  } catch (const Stopped&) {
    throw;
  } catch (const Error& error) {
    method.refused = error.what();
  }
  return method;
}

ComparedMethod repaired(const Analysis& analysis, const ComparedCriterion& l1,
                        const Treatment& least_squares, const CurveOptions& curves) {
  return compared("l1, repaired", [&](ComparedMethod& method) {
    const auto accuracy =
        judged_after(least_squares, l1.name, curves.cut, l1.chosen, analysis.judge(), curves);
    end_if_stopped();
    method.macs = part_left(analysis, pruned_cost(analysis.graph, analysis.coupling, l1.chosen));
    method.accuracy = accuracy.value_or(Accuracy{});
  });
}

// As bonsai prune does it.
ComparedMethod pruned_by(const std::string& name, const Analysis& analysis,
                         const AnalysisArguments& arguments, const PruningArguments& pruning,
                         const CurveOptions& curves) {
  return compared(name, [&](ComparedMethod& method) {
    const auto measure = [&]() -> std::optional<Measurements::Figures> {
      Graph graph = pruned(analysis.graph, pruning, &analysis.data, arguments.seed).graph;
      const auto accuracy = judged(graph, analysis.judge(), &stop_requested());
      if (!accuracy) return std::nullopt;
      Measurements::Figures figures = figures_of(*accuracy);
      figures.push_back(part_left(analysis, total_cost(graph)));
      return figures;
    };
    auto figures = measured(curves.kept, join(name, " without ", curves.cut), measure);
    end_if_stopped();
    if (!figures) return;
    method.macs = figures->back();
    figures->pop_back();
    method.accuracy = accuracy_of(*figures);
  });
}

}  // namespace

std::vector<ComparedMethod> compared_methods(const Analysis& analysis,
                                             const AnalysisArguments& arguments,
                                             const ComparedCriterion& l1,
                                             const Treatment& least_squares,
                                             const CurveOptions& curves) {
  say("pruning by the methods that solve for weights");
  PruningArguments pruning;
  pruning.round_to = 1;
  pruning.ratio = 1 - curves.cut;
  pruning.calibration = arguments.calibration;
  pruning.reconstruction = {.method = "lasso"};
  std::vector<ComparedMethod> methods = {repaired(analysis, l1, least_squares, curves),
                                         pruned_by("lasso", analysis, arguments, pruning, curves)};
  const ComparedMethod lasso = methods.back();
  if (!lasso.refused.empty()) {
    methods.push_back({.name = "3c", .refused = lasso.refused});
    return methods;
  }
  pruning.ratio = {};
  pruning.target = join("macs=", lasso.macs);
  pruning.reconstruction = {.method = "3c"};
  methods.push_back(pruned_by("3c", analysis, arguments, pruning, curves));
  return methods;
}

report::Table method_table(const std::vector<ComparedMethod>& methods, double cut) {
  report::Table table{"Methods that solve for weights",
                      report::percent(cut, 0) +
                          " of every group's channels gone, or as many MACs; accuracy without "
                          "training, to be held against the criteria's recalibrated one.",
                      {"method", "MACs left", "accuracy"},
                      {}};
  for (const ComparedMethod& m : methods)
    if (m.refused.empty())
      table.rows.push_back({m.name, report::percent(m.macs), report::percent(m.accuracy.accuracy)});
  return table;
}

nlohmann::ordered_json methods_json(const std::vector<ComparedMethod>& methods) {
  auto list = nlohmann::ordered_json::array();
  for (const ComparedMethod& m : methods) {
    if (m.refused.empty())
      list.push_back({{"name", m.name}, {"macs", m.macs}, {"accuracy", m.accuracy.accuracy}});
    else
      list.push_back({{"name", m.name}, {"refused", m.refused}});
  }
  return list;
}

}  // namespace bonsai::app
