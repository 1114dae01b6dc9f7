// Where a training starts: a fresh network of the zoo for the data, or a model file, with the data
// in the size that it reads.
#pragma once

#include "apps/options.h"

namespace CLI {
class App;
}

namespace bonsai::app {

struct StartingPoint {
  Graph graph;  // says its classes and normalisation
  Dataset data;
};

void add_start(CLI::App& parser, NetworkArguments& network);
StartingPoint starting_point(const NetworkArguments& network, const DataArguments& data,
                             uint64_t seed);

}  // namespace bonsai::app
