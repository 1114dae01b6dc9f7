#include "apps/step_times.h"

#include <algorithm>
#include <map>
#include <tuple>

#include <nlohmann/json.hpp>

#include "apps/console.h"
#include "apps/report/text.h"
#include "engine/error.h"

namespace bonsai::app {
namespace {

using Json = nlohmann::ordered_json;
using Row = std::vector<std::string>;

std::string name_of(Direction direction) {
  switch (direction) {
    case Direction::forward:
      return "forward";
    case Direction::backward:
      return "backward";
    case Direction::backward_data:
      return "backward-data";
    case Direction::backward_weights:
      return "backward-weights";
  }
  return {};
}

// What a step, or steps of one kind, cost per run of the network.
struct Cost {
  double seconds = 0, flops = 0, bytes = 0;
  int steps = 0;
};

Cost cost_of(const StepFigures& step, int runs) {
  return {.seconds = step.seconds / runs,
          .flops = 2 * static_cast<double>(step.macs) / runs,
          .bytes = static_cast<double>(step.bytes) / runs,
          .steps = 1};
}

double per_run(const StepTimes& times) { return times.seconds / times.runs; }

// Milliseconds, share of the whole; GFLOP/s and their share of the peak where there are any, GB/s.
Row figures(const Cost& cost, const StepTimes& times) {
  const bool computes = cost.flops > 0;
  return {report::milliseconds(1000 * cost.seconds), report::percent(cost.seconds / per_run(times)),
          computes ? report::fixed(1e-9 * cost.flops / cost.seconds, 0) : "",
          computes ? report::percent(cost.flops / cost.seconds / times.peak, 0) : "",
          cost.bytes > 0 ? report::fixed(1e-9 * cost.bytes / cost.seconds, 1) : ""};
}

Row joined(Row row, const Row& more) {
  row.insert(row.end(), more.begin(), more.end());
  return row;
}

const Row figure_names = {"time", "share", "GFLOP/s", "of peak", "GB/s"};

std::string shape_text(const Shape& shape) {
  std::string text;
  for (size_t i = 1; i < shape.size(); ++i) text += (i > 1 ? "x" : "") + std::to_string(shape[i]);
  return text;
}

using Kind = std::tuple<std::string, Direction, std::string>;  // operation, direction, kernel

std::vector<std::pair<Kind, Cost>> costs_by_kind(const StepTimes& times) {
  std::map<Kind, Cost> sums;
  for (const StepFigures& step : times.profile.steps()) {
    Cost& sum = sums[{step.operation, step.direction, step.kernel}];
    const Cost cost = cost_of(step, times.runs);
    sum = {sum.seconds + cost.seconds, sum.flops + cost.flops, sum.bytes + cost.bytes,
           sum.steps + 1};
  }
  std::vector<std::pair<Kind, Cost>> all(sums.begin(), sums.end());
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return a.second.seconds > b.second.seconds;
  });
  return all;
}

// Outside of operations: what was told, and the rest, which is recording, memory and clean-up.
std::vector<std::pair<std::string, double>> others(const StepTimes& times) {
  auto all = times.profile.others();
  for (auto& [what, seconds] : all) seconds /= times.runs;
  all.emplace_back("recording and memory", (times.seconds - times.profile.seconds()) / times.runs);
  return all;
}

Json json_of(const Cost& cost, double peak) {
  Json json = {{"ms", 1000 * cost.seconds},
               {"gflops", 1e-9 * cost.flops / cost.seconds},
               {"share_of_peak", cost.flops / cost.seconds / peak},
               {"gb_per_s", 1e-9 * cost.bytes / cost.seconds}};
  return json;
}

}  // namespace

report::Table kinds(const StepTimes& times) {
  report::Table table{
      "Time by kind of step",
      "Per step of training or run. GFLOP/s count the direct sum, whatever the kernel does; GB/s "
      "count inputs and results, each moved once.",
      joined({"operation", "direction", "kernel", "steps"}, figure_names),
      {}};
  for (const auto& [kind, cost] : costs_by_kind(times)) {
    const auto& [operation, direction, kernel] = kind;
    table.rows.push_back(joined({operation, name_of(direction), kernel, std::to_string(cost.steps)},
                                figures(cost, times)));
  }
  for (const auto& [what, seconds] : others(times))
    table.rows.push_back(joined({what, "", "", ""}, figures({.seconds = seconds}, times)));
  const double flops = 2 * static_cast<double>(times.profile.macs()) / times.runs;
  table.rows.push_back(
      joined({"total", "", "", ""}, figures({.seconds = per_run(times), .flops = flops}, times)));
  return table;
}

report::Bars bars(const StepTimes& times) {
  report::Bars bars{"Time by layer",
                    "Milliseconds per step of training or run.",
                    "ms",
                    {"forward", "backward, data", "backward, weights"},
                    {}};
  std::map<std::string, size_t> places;
  for (const StepFigures& step : times.profile.steps()) {
    const auto [place, is_new] = places.try_emplace(step.name, bars.rows.size());
    if (is_new) bars.rows.push_back({step.name, {0, 0, 0}});
    const size_t part = step.direction == Direction::forward            ? 0
                        : step.direction == Direction::backward_weights ? 2
                                                                        : 1;
    bars.rows[place->second].parts[part] += 1000 * step.seconds / times.runs;
  }
  return bars;
}

std::string text(const StepTimes& times) {
  std::vector<Row> rows;
  for (const StepFigures& step : times.profile.steps())
    rows.push_back(joined(
        {step.name, step.operation, shape_text(step.out), name_of(step.direction), step.kernel},
        figures(cost_of(step, times.runs), times)));
  const report::Table by_kind = kinds(times);
  return table(joined({"layer", "operation", "result", "direction", "kernel"}, figure_names),
               rows) +
         "\n" + table(by_kind.head, by_kind.rows) +
         join("peak: ", report::fixed(1e-9 * times.peak, 0), " GFLOP/s of multiply-adds\n");
}

nlohmann::ordered_json to_json(const StepTimes& times) {
  Json steps = Json::array(), other = Json::object();
  for (const StepFigures& step : times.profile.steps()) {
    Json json = {{"layer", step.name},
                 {"operation", step.operation},
                 {"direction", name_of(step.direction)},
                 {"kernel", step.kernel},
                 {"result", step.out}};
    json.update(json_of(cost_of(step, times.runs), times.peak));
    steps.push_back(std::move(json));
  }
  for (const auto& [what, seconds] : others(times)) other[what] = 1000 * seconds;
  const double flops = 2 * static_cast<double>(times.profile.macs()) / times.runs;
  return {{"peak_gflops", 1e-9 * times.peak},
          {"ms", 1000 * per_run(times)},
          {"gflops", 1e-9 * flops / per_run(times)},
          {"share_of_peak", flops / per_run(times) / times.peak},
          {"steps", std::move(steps)},
          {"other_ms", std::move(other)}};
}

}  // namespace bonsai::app
