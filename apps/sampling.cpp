#include "apps/sampling.h"

#include <nlohmann/json.hpp>

#include "apps/console.h"
#include "apps/report/text.h"
#include "engine/error.h"

namespace bonsai::app {

std::string sampling_text(const std::vector<SampledLayer>& layers) {
  std::vector<std::vector<std::string>> rows;
  for (const SampledLayer& layer : layers) {
    rows.push_back(
        {layer.name,
         layer.is_sampled() ? join(layer.kept, " of ", layer.channels) : "all, not quicker",
         report::fixed(layer.ms, 3), report::fixed(layer.sampled_ms, 3)});
  }
  return table({"layer", "reads", "ms", "sampled, ms"}, rows) +
         "ms: alone, when it reads all channels; sampled, ms: when it reads those it was to keep\n";
}

nlohmann::ordered_json sampling_json(const std::vector<SampledLayer>& layers) {
  auto list = nlohmann::ordered_json::array();
  for (const SampledLayer& layer : layers) {
    list.push_back({{"name", layer.name},
                    {"channels", layer.channels},
                    {"kept", layer.kept},
                    {"ms", layer.ms},
                    {"sampled_ms", layer.sampled_ms}});
  }
  return list;
}

}  // namespace bonsai::app
