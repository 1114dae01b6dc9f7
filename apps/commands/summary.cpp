// bonsai summary: a network's layers, their shapes and what they cost.
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/commands/commands.h"
#include "apps/console.h"
#include "apps/options.h"
#include "apps/report/text.h"
#include "compress/couple.h"
#include "engine/cost.h"
#include "engine/error.h"
#include "engine/session.h"

namespace bonsai::app {
namespace {

using report::grouped;
using report::percent;

struct Arguments {
  NetworkArguments network;
  bool json = false;
};

std::string shape_text(const Shape& shape) {  // without the batch
  std::string text;
  for (size_t i = 1; i < shape.size(); ++i) text += (i > 1 ? " x " : "") + std::to_string(shape[i]);
  return text;
}

const Shape& output_of(const Graph& graph, const Node& node) {
  return graph.values[static_cast<size_t>(node.out)].shape;
}

std::string display_name(const Graph& graph, const Arguments& arguments) {
  return graph.info.network.empty() ? arguments.network.name : graph.info.network;
}

void print_summary(const Graph& graph, const Arguments& arguments, size_t units) {
  const Cost total = total_cost(graph);
  const std::vector<Cost> cost = costs(graph);
  const auto share = [&](int64_t macs) {
    return total.macs > 0 ? percent(static_cast<double>(macs) / static_cast<double>(total.macs))
                          : std::string("-");
  };
  std::vector<std::vector<std::string>> rows;
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    rows.push_back({graph.node_name(i), std::string(graph.nodes[i].op->name()),
                    shape_text(output_of(graph, graph.nodes[i])), grouped(cost[i].params),
                    grouped(cost[i].macs), share(cost[i].macs),
                    report::short_bytes(static_cast<double>(cost[i].activation_bytes))});
  rows.push_back({"total", "", "", grouped(total.params), grouped(total.macs), share(total.macs),
                  report::short_bytes(static_cast<double>(total.activation_bytes))});
  print(join(display_name(graph, arguments), ", input ", shape_text(graph.input_shape()), "\n\n"));
  print(
      table({"layer", "operation", "output", "parameters", "MACs", "of all", "activations"}, rows));
  print(join("\n", units, " channels can be pruned; activations need ",
             report::short_bytes(static_cast<double>(peak_activation_bytes(graph))),
             " for one picture\n"));
}

void run(const Arguments& arguments) {
  const Graph graph = open_network(arguments.network, 1);
  const size_t units = couple(graph).units.size();
  if (!arguments.json) return print_summary(graph, arguments, units);

  const std::vector<Cost> cost = costs(graph);
  const Cost total = total_cost(graph);
  auto layers = nlohmann::ordered_json::array();
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Shape& out = output_of(graph, graph.nodes[i]);
    layers.push_back({{"name", graph.node_name(i)},
                      {"op", graph.nodes[i].op->name()},
                      {"output", Shape(out.begin() + 1, out.end())},
                      {"params", cost[i].params},
                      {"macs", cost[i].macs},
                      {"activation_bytes", cost[i].activation_bytes}});
  }
  const Shape& input = graph.input_shape();
  print_json({{"name", display_name(graph, arguments)},
              {"input", Shape(input.begin() + 1, input.end())},
              {"params", total.params},
              {"macs", total.macs},
              {"activation_bytes", peak_activation_bytes(graph)},
              {"units", units},
              {"layers", layers}});
}

Job define(CLI::App& parser, const Invocation&) {
  auto arguments = std::make_shared<Arguments>();
  add_network(parser, arguments->network);
  parser.add_flag("--json", arguments->json, "print one JSON value on standard output");
  return [arguments] { run(*arguments); };
}

}  // namespace

const Command summary_command = {"summary", "show a network's layers and what they cost",
                                 "  bonsai summary vgg16\n"
                                 "  bonsai summary runs/demo/pruned.bonsai --json\n",
                                 define};

}  // namespace bonsai::app
