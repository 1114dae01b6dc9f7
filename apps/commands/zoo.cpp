// bonsai zoo: the networks that can be made by name.
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/commands/commands.h"
#include "apps/console.h"
#include "apps/report/text.h"
#include "engine/cost.h"
#include "engine/error.h"
#include "zoo/zoo.h"

namespace bonsai::app {
namespace {

// Counted from shapes: nothing is computed, and no second copy of the weights is made.
Cost count(Layer& net, const Shape& input) {
  Cost cost;
  for (const Parameter* parameter : net.parameters())
    if (parameter->trainable) cost.params += static_cast<int64_t>(parameter->value.size());
  Tape tape(Mode::shapes);
  net.forward(tape.placeholder({1, input[0], input[1], input[2]}));
  for (const Node& node : tape.nodes()) {
    std::vector<Shape> in;
    for (const int value : node.in) in.push_back(tape.values()[static_cast<size_t>(value)].shape);
    cost.macs += node.op->macs(in, tape.values()[static_cast<size_t>(node.out)].shape);
  }
  return cost;
}

std::string size_text(const Shape& input) {
  return join(input[0], " x ", input[1], " x ", input[2]);
}

void run(bool json) {
  auto list = nlohmann::ordered_json::array();
  std::vector<std::vector<std::string>> rows;
  for (const zoo::Entry& entry : zoo::entries()) {
    const Cost cost = count(*zoo::make(entry.name, {.weights = false}), entry.input);
    list.push_back({{"name", entry.name},
                    {"input", entry.input},
                    {"classes", entry.classes},
                    {"params", cost.params},
                    {"macs", cost.macs},
                    {"source", entry.source}});
    rows.push_back({entry.name, size_text(entry.input), std::to_string(entry.classes),
                    report::short_count(static_cast<double>(cost.params)),
                    report::short_count(static_cast<double>(cost.macs)), entry.source});
  }
  if (json)
    print_json(list);
  else
    print(table({"network", "input", "classes", "parameters", "MACs", "source"}, rows));
}

Job define(CLI::App& parser, const Invocation&) {
  auto json = std::make_shared<bool>(false);
  parser.add_flag("--json", *json, "print one JSON value on standard output");
  return [json] { run(*json); };
}

}  // namespace

const Command zoo_command = {"zoo", "list the networks that can be made by name",
                             "  bonsai zoo\n"
                             "  bonsai zoo --json\n",
                             define};

}  // namespace bonsai::app
