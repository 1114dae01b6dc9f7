// Splitting the layers of a model before it is pruned (--method 3c), and how that is shown.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "apps/pruning.h"
#include "compress/decompose.h"
#include "data/dataset.h"

namespace bonsai::app {

// Layers are split to `part` of their multiply-accumulates, where that is quicker. Looks at
// `pictures` training pictures (0: all). A signal ends it.
Decomposition decomposed(const Graph& graph, double part, const PruningArguments& pruning,
                         const Dataset& data, int pictures, uint64_t seed, const GraphTimer& timer);

std::string decomposition_text(const std::vector<DecomposedLayer>& layers);  // for the terminal
nlohmann::ordered_json decomposition_json(const std::vector<DecomposedLayer>& layers);

}  // namespace bonsai::app
