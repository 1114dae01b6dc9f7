#include "apps/method_comparison.h"

#include <nlohmann/json.hpp>

#include "apps/console.h"
#include "apps/pruning.h"
#include "apps/report/text.h"
#include "apps/signals.h"
#include "apps/usage.h"
#include "compress/judge.h"
#include "engine/cost.h"

namespace bonsai::app {
namespace {

ComparedMethod compared(const Analysis& analysis, const AnalysisArguments& arguments,
                        const std::string& name, const PruningArguments& pruning) {
  ComparedMethod method{.name = name};
  Graph graph;
  try {
    graph = pruned(analysis.graph, pruning, &analysis.data, arguments.seed).graph;
  } catch (const Stopped&) {
    throw;
  } catch (const Error& error) {
    method.refused = error.what();
    return method;
  }
  method.macs = static_cast<double>(total_cost(graph).macs) /
                static_cast<double>(total_cost(analysis.graph).macs);
  const std::optional<Accuracy> accuracy = judged(graph, analysis.judge(), &stop_requested());
  end_if_stopped();
  method.accuracy = accuracy.value_or(Accuracy{});
  return method;
}

}  // namespace

std::vector<ComparedMethod> compared_methods(const Analysis& analysis,
                                             const AnalysisArguments& arguments, double cut) {
  say("pruning by the methods that solve for weights");
  PruningArguments pruning;
  pruning.round_to = 1;
  pruning.ratio = 1 - cut;
  pruning.calibration = arguments.calibration;
  std::vector<ComparedMethod> methods;
  pruning.reconstruction.repair = true;
  methods.push_back(compared(analysis, arguments, "l1, repaired", pruning));
  pruning.reconstruction = {.method = "lasso"};
  methods.push_back(compared(analysis, arguments, "lasso", pruning));
  const ComparedMethod lasso = methods.back();
  if (!lasso.refused.empty()) {
    methods.push_back({.name = "3c", .refused = lasso.refused});
    return methods;
  }
  pruning.ratio = {};
  pruning.target = join("macs=", lasso.macs);
  pruning.reconstruction = {.method = "3c"};
  methods.push_back(compared(analysis, arguments, "3c", pruning));
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
