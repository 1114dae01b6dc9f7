// bonsai eval: how well a model does on test pictures.
#include <array>
#include <iostream>
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/commands/commands.h"
#include "apps/console.h"
#include "apps/models.h"
#include "apps/options.h"
#include "apps/report/text.h"

namespace bonsai::app {
namespace {

struct Arguments {
  std::string file;
  DataArguments data;
  Common common;
  bool flip = false;
};

void run(const Arguments& arguments) {
  apply(arguments.common);
  Graph graph = open_model(arguments.file);
  const Dataset data = load_for(graph, arguments.data);
  const Evaluation evaluation = evaluate_model(graph, data, arguments.flip);
  if (arguments.common.json) {
    print_json({{"accuracy", evaluation.accuracy},
                {"loss", evaluation.loss},
                {"images", evaluation.images}});
    return;
  }
  std::vector<std::vector<std::string>> rows;
  for (size_t k = 0; k < data.classes.size(); ++k) {
    int all = 0;
    for (const int count : evaluation.confusion[k]) all += count;
    const int right = evaluation.confusion[k][k];
    rows.push_back({data.classes[k], std::to_string(all), std::to_string(right),
                    all > 0 ? report::percent(static_cast<double>(right) / all) : "-"});
  }
  rows.push_back({"all", std::to_string(evaluation.images),
                  std::to_string(std::llround(evaluation.accuracy * evaluation.images)),
                  report::percent(evaluation.accuracy, 2)});
  print(table({"class", "pictures", "right", "accuracy"}, rows));
  print("loss " + report::fixed(evaluation.loss, 4) + "\n");
}

Job define(CLI::App& parser, const Invocation&) {
  auto arguments = std::make_shared<Arguments>();
  parser.add_option("model", arguments->file, "a model file")->required();
  parser.add_flag("--flip-test", arguments->flip,
                  "test by the mean of the outputs for a picture and its mirror image");
  add_data(parser, arguments->data);
  add_common(parser, arguments->common);
  return [arguments] { run(*arguments); };
}

}  // namespace

const Command eval_command = {"eval", "test a model on pictures it was not trained on",
                              "  bonsai eval runs/demo/pruned.bonsai\n"
                              "  bonsai eval runs/demo/pruned.bonsai --data my-pictures --json\n",
                              define};

}  // namespace bonsai::app
