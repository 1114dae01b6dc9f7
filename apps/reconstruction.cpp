#include "apps/reconstruction.h"

#include <algorithm>
#include <iomanip>
#include <sstream>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/console.h"
#include "apps/models.h"
#include "apps/options.h"
#include "apps/report/text.h"
#include "apps/signals.h"
#include "apps/usage.h"
#include "compress/choose.h"
#include "compress/prune.h"
#include "engine/error.h"

namespace bonsai::app {
namespace {

std::vector<std::string> selection_names() {
  std::vector<std::string> names;
  for (const Selection& selection : selections()) names.push_back(selection.name);
  return names;
}

// On pictures that were not solved for, where there are such.
report::ResponseError shares(const RegressionError& solved_for, const RegressionError& held_out) {
  const RegressionError& error = held_out.target > 0 ? held_out : solved_for;
  const double target = error.target > 0 ? error.target : 1;
  return {error.naive / target, error.bias_only / target, error.least_squares / target};
}

nlohmann::ordered_json json_of(const report::ResponseError& error) {
  return {{"naive", error.naive},
          {"bias_only", error.bias_only},
          {"least_squares", error.least_squares}};
}

// In percent: "6.61/4.73/0.78".
std::string cell(const report::ResponseError& error) {
  const auto three = [](double share) {
    return report::fixed(100 * share, share < 0.0995 ? 2 : share < 0.995 ? 1 : 0);
  };
  return three(error.naive) + "/" + three(error.bias_only) + "/" + three(error.least_squares);
}

// How near the solutions of the LASSO are to the optimum: the worst over all layers.
std::string certificate_text(const std::vector<ReconstructedLayer>& layers) {
  double violation = 0, gap = 0;
  int solved = 0;
  for (const ReconstructedLayer& layer : layers) {
    if (!layer.solution) continue;
    ++solved;
    const double alpha = layer.solution->alpha;
    if (alpha > 0) violation = std::max(violation, layer.solution->violation / alpha);
    gap = std::max(gap, layer.solution->gap);
  }
  if (solved == 0) return "";
  std::ostringstream text;
  text << "LASSO: " << solved << (solved == 1 ? " solution" : " solutions")
       << ", which violate their optimality conditions by at most " << std::setprecision(2)
       << violation << " of alpha;\nduality gap at most " << gap << " of the responses' squares\n";
  return text.str();
}

}  // namespace

void add_reconstruction(CLI::App& parser, ReconstructionArguments& reconstruction) {
  parser.add_option("--method", reconstruction.method,
                    "criterion; lasso: channels by a LASSO on the next layer's response, its "
                    "weights by least squares (He et al. 2017); or 3c: that, after layers were "
                    "split in two where it is measured to be quicker");
  std::string names;
  for (const std::string& name : selection_names()) names += (names.empty() ? "" : ", ") + name;
  parser.add_option("--select", reconstruction.select,
                    "how --method lasso and 3c choose channels: " + names);
  parser.add_flag("--repair", reconstruction.repair,
                  "after a criterion, solve for the remaining weights by least squares");
  parser.add_flag("--compare", reconstruction.compare,
                  "with --method lasso, try every way to choose on each layer");
  parser.add_flag(
      "--no-residual-target", reconstruction.no_residual_target,
      "the last layer of a residual branch is solved for its own response, not for what "
      "the shortcut lost as well");
  parser
      .add_option("--positions", reconstruction.positions,
                  "places in each calibration picture where responses are sampled")
      ->check(CLI::Range(1, 1 << 20));
}

void check(const ReconstructionArguments& reconstruction, bool has_data) {
  require_one_of("--method", reconstruction.method, {"criterion", "lasso", "3c"});
  require_one_of("--select", reconstruction.select, selection_names());
  require_usage(!(reconstruction.is_method() && reconstruction.repair), "--method ",
                reconstruction.method, " repairs by itself, --repair is for criteria");
  require_usage(reconstruction.is_method() || !reconstruction.compare,
                "--compare is for --method lasso and 3c");
  require_usage(reconstruction.is_method() || reconstruction.select == "lasso",
                "--select is for --method lasso and 3c, a criterion is chosen by --criterion");
  require_usage(reconstruction.is_asked() || !reconstruction.no_residual_target,
                "--no-residual-target is for --method lasso, 3c and --repair");
  require_usage(has_data || !reconstruction.is_asked(),
                reconstruction.repair ? "--repair" : "--method " + reconstruction.method,
                " looks at pictures: give --data");
}

std::function<void(const std::string&, int, int)> progress_of_layers(StatusLine& status) {
  return [&status](const std::string& layer, int done, int total) {
    status.show(join("reconstructing ", layer, " (", done + 1, " of ", total, ")"));
  };
}

Reconstruction reconstructed(const Graph& graph, const Coupling& coupling,
                             const std::set<int>& gone,
                             const ReconstructionArguments& reconstruction, const Dataset& data,
                             int pictures, uint64_t seed) {
  StatusLine status;
  ReconstructOptions options;
  options.positions = reconstruction.positions;
  options.seed = seed;
  options.compare = reconstruction.compare;
  options.residual_target = !reconstruction.no_residual_target;
  options.stop = &stop_requested();
  options.progress = progress_of_layers(status);
  const Pictures sample = picture_sample(graph, data, pictures, seed);
  auto result =
      reconstruction.is_method()
          ? prune_by_reconstruction(graph, coupling, kept_units(coupling, gone),
                                    find_selection(reconstruction.select), sample, options)
          : repair(graph, coupling, gone, sample, options);
  status.clear();
  end_if_stopped();
  const int64_t planned = pruned_cost(graph, coupling, gone).macs;
  const int64_t macs = pruned_cost(graph, coupling, result->gone).macs;
  if (macs > planned)
    say(join("note: ", report::grouped(macs), " MACs are left and not ", report::grouped(planned),
             ", because the groups of convolutions must stay equal"));
  return std::move(*result);
}

std::string description(const ReconstructionArguments& reconstruction) {
  if (reconstruction.repair) return "repaired by least squares";
  return (reconstruction.decomposes() ? "by decomposition where it is quicker, then " : "") +
         std::string(reconstruction.select == "lasso"
                         ? "by LASSO"
                         : "by the selection " + reconstruction.select) +
         " and least squares";
}

std::vector<report::LayerError> layer_errors(const std::vector<ReconstructedLayer>& layers) {
  std::vector<report::LayerError> errors;
  for (const ReconstructedLayer& layer : layers) {
    if (!layer.unsolved.empty()) continue;
    report::LayerError& error = errors.emplace_back();
    error.name = layer.name;
    error.channels = layer.channels;
    error.kept = layer.kept;
    error.error = shares(layer.error, layer.held_out);
    for (const Trial& trial : layer.trials)
      error.trials.push_back({trial.selection, shares(trial.error, trial.held_out)});
  }
  return errors;
}

std::string layer_error_text(const std::vector<ReconstructedLayer>& layers) {
  bool compared = false;
  for (const ReconstructedLayer& layer : layers) compared = compared || !layer.trials.empty();
  std::vector<std::string> head = {"layer", "inputs", "error, %"};
  if (compared) {
    head.back() = "as made, %";
    for (const std::string& name : selection_names()) head.push_back(name);
  }
  std::vector<std::vector<std::string>> rows;
  for (const ReconstructedLayer& layer : layers) {
    std::vector<std::string> cells = {
        layer.name, join(layer.kept, " of ", layer.channels),
        layer.unsolved.empty() ? cell(shares(layer.error, layer.held_out)) : "not solved for"};
    for (const Trial& trial : layer.trials)
      cells.push_back(cell(shares(trial.error, trial.held_out)));
    cells.resize(head.size());
    rows.push_back(std::move(cells));
  }
  std::string unsolved;
  for (const ReconstructedLayer& layer : layers)
    if (!layer.unsolved.empty())
      unsolved += layer.name + " not solved for: " + layer.unsolved + "\n";
  return table(head, rows) + unsolved +
         "error: of the layer's response on pictures held out, when channels only go / a constant "
         "is\n"
         "added / the remaining weights are solved for\n" +
         certificate_text(layers);
}

nlohmann::ordered_json layer_error_json(const std::vector<ReconstructedLayer>& layers) {
  auto list = nlohmann::ordered_json::array();
  for (const ReconstructedLayer& layer : layers) {
    nlohmann::ordered_json entry = {{"name", layer.name},
                                    {"channels", layer.channels},
                                    {"kept", layer.kept},
                                    {"error", nullptr}};
    if (layer.unsolved.empty())
      entry["error"] = json_of(shares(layer.error, layer.held_out));
    else
      entry["unsolved"] = layer.unsolved;
    if (layer.solution)
      entry["lasso"] = {{"alpha", layer.solution->alpha},
                        {"sweeps", layer.solution->sweeps},
                        {"violation", layer.solution->violation},
                        {"gap", layer.solution->gap}};
    for (const Trial& trial : layer.trials)
      entry["selections"][trial.selection] = json_of(shares(trial.error, trial.held_out));
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace bonsai::app
