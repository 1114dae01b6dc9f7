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

double share(const RegressionError& solved_for, const RegressionError& held_out) {
  const RegressionError& error = held_out.target > 0 ? held_out : solved_for;
  return error.target > 0 ? error.least_squares / error.target : 0;
}

}  // namespace

Decomposition decomposed(const Graph& graph, double part, const PruningArguments& pruning,
                         const Dataset& data, int pictures, uint64_t seed) {
  StatusLine status;
  DecomposeOptions options{.part = part,
                           .round_to = pruning.round_to,
                           .positions = pruning.reconstruction.positions,
                           .seed = seed};
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
    std::string error = "-", behind_relu = "-";
    if (layer.is_split()) error = report::percent(share(layer.error, layer.held_out), 2);
    if (layer.relu.target > 0) {
      behind_relu = report::percent(layer.relu.linear / layer.relu.target, 2) + " to " +
                    report::percent(layer.relu.relu / layer.relu.target, 2);
    }
    rows.push_back({layer.name, form_of(layer), report::fixed(layer.ms, 3),
                    report::fixed(layer.decomposed_ms, 3), error, behind_relu});
  }
  return table({"layer", "form", "ms", "split, ms", "error", "behind ReLU"}, rows) +
         "split, ms: alone, the quickest form that was tried; error: of the layer's response on "
         "pictures\nheld out; behind ReLU: of what passes it, by least squares, and by the fit "
         "that looks through it\n";
}

nlohmann::ordered_json decomposition_json(const std::vector<DecomposedLayer>& layers) {
  auto list = nlohmann::ordered_json::array();
  for (const DecomposedLayer& layer : layers) {
    nlohmann::ordered_json entry = {{"name", layer.name},
                                    {"spatial_rank", layer.spatial},
                                    {"channel_rank", layer.channel},
                                    {"ms", layer.ms},
                                    {"decomposed_ms", layer.decomposed_ms}};
    if (layer.is_split()) entry["error"] = share(layer.error, layer.held_out);
    if (layer.relu.target > 0) {
      entry["relu_error_linear"] = layer.relu.linear / layer.relu.target;
      entry["relu_error"] = layer.relu.relu / layer.relu.target;
    }
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace bonsai::app
