#include "apps/models.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "apps/console.h"
#include "apps/signals.h"
#include "apps/usage.h"
#include "compress/calibration.h"
#include "engine/file.h"
#include "engine/nearest.h"
#include "zoo/zoo.h"

namespace bonsai::app {
namespace {

std::array<float, 3> three(const std::vector<float>& values,
                           const std::array<float, 3>& otherwise) {
  if (values.size() != 3) return otherwise;
  return {values[0], values[1], values[2]};
}

}  // namespace

Graph open_model(const std::string& file) {
  require_usage(!zoo::is_network(file) || std::filesystem::exists(file), "'", file,
                "' is the name of a network, should be a model file (bonsai train makes one)");
  return bonsai::load(file);
}

Dataset load_for(const Graph& graph, const DataArguments& arguments) {
  const Shape &in = graph.input_shape(), &out = graph.output_shape();
  require(in.size() == 4 && in[3] == 3 && out.size() == 2, "the network maps ", in, " to ", out,
          ", should map colour pictures to classes");
  Dataset data = load(arguments, in[1], in[2]);
  const auto classes = static_cast<size_t>(out[1]);
  require(data.classes.size() == classes, "the network knows ", classes, " classes, ", data.name,
          " has ", data.classes.size());
  require(graph.info.classes.empty() || graph.info.classes == data.classes,
          "the classes of the network (", graph.info.classes.empty() ? "" : graph.info.classes[0],
          ", ...) are not those of ", data.name, " (", data.classes[0], ", ...)");
  return data;
}

void take_normalisation(const Graph& graph, Dataset& data) {
  data.mean = three(graph.info.mean, data.mean);
  data.std = three(graph.info.std, data.std);
}

std::vector<Batch> calibration_pictures(const Graph& graph, const Dataset& data, int count,
                                        uint64_t seed) {
  return calibration_batches(data.train, three(graph.info.mean, data.mean),
                             three(graph.info.std, data.std), {.images = count, .seed = seed});
}

Pictures picture_sample(const Graph& graph, const Dataset& data, int count, uint64_t seed) {
  return sample_pictures(data.train, three(graph.info.mean, data.mean),
                         three(graph.info.std, data.std), count, seed);
}

Evaluation evaluate_model(Graph& graph, const Dataset& data, bool flip) {
  StatusLine status;
  EvaluateOptions options;
  options.flip = flip;
  options.stop = &stop_requested();
  options.progress = [&status](int done, int total) {
    status.show(join("testing ", 100 * done / std::max(1, total), " %"));
  };
  auto evaluation = evaluate(graph, data.test, three(graph.info.mean, data.mean),
                             three(graph.info.std, data.std), options);
  status.clear();
  end_if_stopped();
  return std::move(*evaluation);
}

}  // namespace bonsai::app
