// How it is shown which layers read chosen channels (--mode sampled).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "compress/samplers.h"

namespace bonsai::app {

std::string sampling_text(const std::vector<SampledLayer>& layers);  // for the terminal
nlohmann::ordered_json sampling_json(const std::vector<SampledLayer>& layers);

}  // namespace bonsai::app
