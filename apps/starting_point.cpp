#include "apps/starting_point.h"

#include <CLI/CLI.hpp>

#include "apps/models.h"
#include "apps/usage.h"
#include "zoo/zoo.h"

namespace bonsai::app {

void add_start(CLI::App& parser, NetworkArguments& network) {
  parser.add_option("--net", network.name, "a network's name (see bonsai zoo) or a model file");
  parser.add_option("--width", network.width, "multiply the number of channels")
      ->check(CLI::Range(0.001, 1000.0));
  parser.add_option("--input", network.input, "pictures of H,W,3; empty: the network's own size");
}

StartingPoint starting_point(const NetworkArguments& network, const DataArguments& arguments,
                             uint64_t seed) {
  if (is_model_file(network.name)) {
    Graph graph = open_model(network.name);
    Dataset data = load_for(graph, arguments);
    take_normalisation(graph, data);  // that it knows, and goes on learning with
    graph.info = data.info(graph.info.network);
    return {std::move(graph), std::move(data)};
  }
  check_network(network.name);
  const Shape wanted = parse_input(network.input);
  const Shape input = wanted.empty() ? zoo::find(network.name).input : wanted;
  Dataset data = load(arguments, input[0], input[1]);
  NetworkArguments fitting = network;
  fitting.classes = static_cast<int>(data.classes.size());
  Graph graph = open_network(fitting, seed);
  graph.info = data.info(network.name);
  return {std::move(graph), std::move(data)};
}

}  // namespace bonsai::app
