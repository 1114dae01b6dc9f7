// bonsai classify: what is in these picture files?
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/commands/commands.h"
#include "apps/console.h"
#include "apps/models.h"
#include "apps/options.h"
#include "apps/predictor.h"
#include "apps/report/text.h"
#include "engine/error.h"

namespace bonsai::app {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  std::string file;
  std::vector<std::string> images;
  Common common;
};

Json classify(Predictor& predictor, const Graph& graph, const std::string& image) {
  try {
    const std::vector<double> p = predictor.probabilities(read_image(image));
    Json top = Json::array();
    for (const size_t k : highest(p, 3))
      top.push_back({{"label", class_name(graph, k)}, {"probability", p[k]}});
    return {{"image", image}, {"top", top}, {"ms", predictor.last_ms()}};
  } catch (const Error& e) {
    return {{"image", image}, {"error", e.what()}};
  }
}

void print_entry(const Json& entry) {
  const auto image = entry.at("image").get<std::string>();
  if (entry.contains("error")) {
    say("bonsai: " + entry.at("error").get<std::string>());
    return;
  }
  std::string line = image + ":";
  for (const Json& guess : entry.at("top"))
    line += (line.back() == ':' ? "  " : ",  ") + guess.at("label").get<std::string>() + " " +
            report::percent(guess.at("probability").get<double>());
  print(line + "   (" + report::milliseconds(entry.at("ms").get<double>()) + ")\n");
}

void run(const Arguments& arguments) {
  apply(arguments.common);
  const Graph graph = open_model(arguments.file);
  Predictor predictor(graph);
  Json list = Json::array();
  size_t bad = 0;
  for (const std::string& image : arguments.images) {
    list.push_back(classify(predictor, graph, image));
    bad += list.back().contains("error") ? 1 : 0;
    if (!arguments.common.json) print_entry(list.back());
  }
  if (arguments.common.json) print_json(list);
  require(bad == 0, bad, " of ", arguments.images.size(), " pictures could not be classified");
}

Job define(CLI::App& parser, const Invocation&) {
  auto arguments = std::make_shared<Arguments>();
  parser.add_option("model", arguments->file, "a model file")->required();
  parser.add_option("images", arguments->images, "JPEG, PNG or BMP files")->required();
  add_common(parser, arguments->common);
  return [arguments] { run(*arguments); };
}

}  // namespace

const Command classify_command = {
    "classify", "say what is in pictures",
    "  bonsai classify runs/demo/pruned.bonsai runs/demo/picture.png\n"
    "  bonsai classify model.bonsai *.jpg --json\n",
    define};

}  // namespace bonsai::app
