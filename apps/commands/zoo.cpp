// bonsai zoo: the networks that can be made by name.
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/commands/commands.h"
#include "apps/console.h"
#include "apps/report/text.h"
#include "engine/cost.h"
#include "engine/error.h"
#include "zoo/published.h"
#include "zoo/zoo.h"

namespace bonsai::app {
namespace {

struct Format {
  bool json = false, markdown = false;
};

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

using Row = std::vector<std::string>;

// For docs/zoo.md (apps/bench/zoo.sh).
void print_markdown(const Row& header, const std::vector<Row>& rows) {
  auto line = [](const Row& cells) {
    std::string text = "|";
    for (const std::string& cell : cells) text += join(" ", cell, " |");
    return text + "\n";
  };
  print(line(header) + line(Row(header.size(), "---")));
  for (const Row& row : rows) print(line(row));
}

void run(const Format& format) {
  auto list = nlohmann::ordered_json::array();
  std::vector<Row> rows;
  for (const zoo::Entry& entry : zoo::entries()) {
    const Cost cost = count(*zoo::make(entry.name, {.weights = false}), entry.input);
    const zoo::Published known = zoo::published(entry.name);
    list.push_back({{"name", entry.name},
                    {"input", entry.input},
                    {"classes", entry.classes},
                    {"params", cost.params},
                    {"macs", cost.macs},
                    {"source", entry.source},
                    {"published",
                     {{"params", known.params},
                      {"macs", known.macs},
                      {"error", known.error},
                      {"source", known.source}}}});
    rows.push_back({entry.name, size_text(entry.input), std::to_string(entry.classes),
                    report::short_count(static_cast<double>(cost.params)),
                    report::short_count(static_cast<double>(cost.macs)), entry.source});
    if (!format.markdown) continue;
    for (const std::string_view figure : {known.params, known.macs, known.error, known.source})
      rows.back().emplace_back(figure);
  }
  Row header = {"network", "input", "classes", "parameters", "MACs", "source"};
  if (format.json) return print_json(list);
  if (!format.markdown) return print(table(header, rows));
  for (const char* column : {"published parameters", "published MACs", "error %", "by"})
    header.emplace_back(column);
  print_markdown(header, rows);
}

Job define(CLI::App& parser, const Invocation&) {
  auto format = std::make_shared<Format>();
  parser.add_flag("--json", format->json, "print one JSON value on standard output");
  parser.add_flag("--markdown", format->markdown,
                  "print a Markdown table, with the figures that papers and their code state");
  return [format] { run(*format); };
}

}  // namespace

const Command zoo_command = {"zoo", "list the networks that can be made by name",
                             "  bonsai zoo\n"
                             "  bonsai zoo --json\n"
                             "  bonsai zoo --markdown\n",
                             define};

}  // namespace bonsai::app
