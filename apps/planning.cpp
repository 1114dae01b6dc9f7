#include "apps/planning.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/console.h"
#include "apps/files.h"
#include "apps/report/text.h"
#include "engine/conv_plan_json.h"
#include "engine/error.h"

namespace bonsai::app {
namespace {

using Json = nlohmann::ordered_json;

bool differs(const MeasuredChoice& measured) { return measured.choice.row != measured.rule; }

// "3x3, 64 to 128, 32x32, stride 2"
std::string text_of(const ConvShape& s) {
  std::string text = join(s.kh, "x", s.kw, ", ", s.in, " to ", s.out, ", ", s.h, "x", s.w);
  if (s.stride > 1) text += join(", stride ", s.stride);
  if (s.dilation > 1) text += join(", dilation ", s.dilation);
  if (s.groups > 1) text += join(", ", s.groups, " groups");
  return text;
}

std::string time_of(double seconds) {
  return std::isfinite(seconds) ? report::milliseconds(1000 * seconds) : "";
}

Json json_of(double seconds) { return std::isfinite(seconds) ? Json(1000 * seconds) : Json(); }

std::vector<MeasuredChoice> choices_of(const ConvPlan& plan) {
  constexpr double unknown = std::numeric_limits<double>::infinity();
  std::vector<MeasuredChoice> choices;
  for (const ConvChoice& choice : plan.choices())
    choices.push_back({.choice = choice,
                       .rule = conv_rows(choice.table, choice.shape).front(),
                       .seconds = unknown,
                       .rule_seconds = unknown});
  return choices;
}

// "3 of 57 choices of kernels"
std::string summary(const std::vector<MeasuredChoice>& choices) {
  return join(std::count_if(choices.begin(), choices.end(), differs), " of ", choices.size(),
              " choices of kernels");
}

}  // namespace

void add_plan(CLI::App& command, std::string& plan) {
  command.add_option("--plan", plan,
                     "which kernel runs each convolution: 'measure' them now, or a file with the "
                     "choices, which is measured and written if it is not there; empty: by rule");
}

std::vector<MeasuredChoice> install_plan(const std::string& plan, const Graph& graph,
                                         const PlanOptions& options) {
  if (plan.empty()) return {};
  std::error_code unknown;
  require(!std::filesystem::is_directory(plan, unknown), "--plan ", plan,
          ": is a folder, should be a file or 'measure'");
  if (plan != "measure" && std::filesystem::exists(plan, unknown)) {
    auto read = std::make_shared<const ConvPlan>(parse_conv_plan(read_text(plan), plan));
    set_conv_plan(read);
    return choices_of(*read);
  }
  MeasuredPlan measured = measure_plan(graph, options);
  if (plan != "measure") write_text(plan, to_json(measured.plan));
  set_conv_plan(std::make_shared<const ConvPlan>(std::move(measured.plan)));
  return measured.choices;
}

void install_plan_of_run(const std::string& plan, const std::filesystem::path& folder, bool resume,
                         const Graph& graph, int batch) {
  const std::filesystem::path kept = folder / "plan.json";
  const bool has_plan = std::filesystem::exists(kept);
  const bool goes_on = resume && (has_plan || std::filesystem::exists(folder / "config.json"));
  const std::string kept_plan = has_plan ? kept.string() : "";
  const auto choices =
      install_plan(goes_on ? kept_plan : plan, graph, {.batch = batch, .training = true});
  if (choices.empty()) {
    std::filesystem::remove(kept);
    if (goes_on && !plan.empty()) say("plan: none, since the run began without one");
    return;
  }
  if (!goes_on) write_text(kept, to_json(*conv_plan()));
  say(join("plan: ", summary(choices), " are not the rule's (", kept.string(), ")"));
}

std::string text(const std::vector<MeasuredChoice>& choices) {
  std::vector<std::vector<std::string>> rows;
  for (const MeasuredChoice& m : choices) {
    if (differs(m))
      rows.push_back({text_of(m.choice.shape), std::string(name_of(m.choice.table)), m.rule,
                      time_of(m.rule_seconds), m.choice.row, time_of(m.seconds)});
  }
  const std::string head = "plan: " + summary(choices) + " are not the rule's\n";
  return rows.empty() ? head
                      : head + table({"convolution", "direction", "rule", "time", "plan", "time"},
                                     std::move(rows));
}

nlohmann::ordered_json to_json(const std::vector<MeasuredChoice>& choices) {
  Json list = Json::array();
  for (const MeasuredChoice& m : choices)
    list.push_back({{"convolution", text_of(m.choice.shape)},
                    {"direction", name_of(m.choice.table)},
                    {"rule", m.rule},
                    {"rule_ms", json_of(m.rule_seconds)},
                    {"kernel", m.choice.row},
                    {"ms", json_of(m.seconds)}});
  return list;
}

}  // namespace bonsai::app
