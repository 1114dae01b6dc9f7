#include "apps/decomposition.h"

#include <nlohmann/json.hpp>

#include "apps/console.h"
#include "apps/models.h"
#include "apps/report/text.h"
#include "apps/signals.h"
#include "engine/error.h"

namespace bonsai::app {
namespace {

std::string form_of(const DecomposedLayer& layer) {
  std::string form;
  if (layer.spatial > 0) form = join("k x 1 to ", layer.spatial, ", 1 x k");
  if (layer.channel > 0) {
    form += join(form.empty() ? "k x k to " : " to ", layer.channel, ", 1 x 1");
  }
  return form.empty() ? "as it was" : form + join(" to ", layer.outputs);
}

// By the fit that was written into the network: of what passes the ReLU behind the layer, or of its
// response where there is none.
double error_of(const DecomposedLayer& layer) {
  if (layer.relu.target > 0) return layer.relu.relu / layer.relu.target;
  const RegressionError& error = layer.held_out.target > 0 ? layer.held_out : layer.error;
  return error.target > 0 ? error.least_squares / error.target : 0;
}

}  // namespace

Decomposition decomposed(const Graph& graph, double part, const PruningArguments& pruning,
                         const Dataset& data, int pictures, uint64_t seed,
                         const GraphTimer& timer) {
  StatusLine status;
  DecomposeOptions options{.part = part,
                           .round_to = pruning.round_to,
                           .positions = pruning.reconstruction.positions,
                           .seed = seed,
                           .timer = timer};
  options.stop = &stop_requested();
  options.progress = [&status](const std::string& layer, int done, int total) {
    status.show(join("decomposing ", layer, " (", done + 1, " of ", total, ")"));
  };
  auto result = decompose(graph, picture_sample(graph, data, pictures, seed), options);
  status.clear();
  end_if_stopped();
  return std::move(*result);
}

std::string decomposition_text(const std::vector<DecomposedLayer>& layers) {
  std::vector<std::vector<std::string>> rows;
  for (const DecomposedLayer& layer : layers) {
    std::string error = "-", linear = "-";
    if (layer.is_split()) error = report::percent(error_of(layer), 2);
    if (layer.relu.target > 0) {
      linear = report::percent(layer.relu.linear / layer.relu.target, 2);
    }
    rows.push_back({layer.name, form_of(layer), report::fixed(layer.ms, 3),
                    report::fixed(layer.decomposed_ms, 3), error, linear});
  }
  return table({"layer", "form", "ms", "split, ms", "error", "linear"}, rows) +
         "split, ms: alone, the quickest form that was tried; error: on pictures held out, of what "
         "passes\nthe ReLU behind the layer, or of its response where there is none; linear: of "
         "the same by the fit\nthat does not look through the ReLU\n";
}

nlohmann::ordered_json decomposition_json(const std::vector<DecomposedLayer>& layers) {
  auto list = nlohmann::ordered_json::array();
  for (const DecomposedLayer& layer : layers) {
    nlohmann::ordered_json entry = {{"name", layer.name},
                                    {"spatial_rank", layer.spatial},
                                    {"channel_rank", layer.channel},
                                    {"ms", layer.ms},
                                    {"decomposed_ms", layer.decomposed_ms}};
    if (layer.is_split()) entry["error"] = error_of(layer);
    if (layer.relu.target > 0) entry["linear_error"] = layer.relu.linear / layer.relu.target;
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace bonsai::app
