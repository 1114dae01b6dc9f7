#include "apps/analysis.h"

#include <CLI/CLI.hpp>

#include "apps/console.h"
#include "apps/files.h"
#include "apps/findings.h"
#include "apps/models.h"
#include "apps/report/text.h"
#include "engine/error.h"
#include "layers/checksum.h"

namespace bonsai::app {
void add_analysis(CLI::App& parser, AnalysisArguments& arguments) {
  parser.add_option("model", arguments.file, "a trained model file")->required();
  add_data(parser, arguments.data);
  parser
      .add_option("--hold-out", arguments.hold_out,
                  "judge by so many training pictures; 0: 1000, or a fifth of few")
      ->check(CLI::NonNegativeNumber);
  parser
      .add_option("--calibration", arguments.calibration,
                  "other training pictures for activations and batch norm; 0: all")
      ->check(CLI::NonNegativeNumber);
  parser.add_option("--seed", arguments.seed, "of the choice of pictures");
  parser.add_flag("--resume", arguments.resume, "go on with what was measured in this folder");
  add_common(parser, arguments.common);
  parser.add_option("--out", arguments.out, "the run's folder; empty: runs/<network>-<command>");
}

Analysis::Analysis(const AnalysisArguments& arguments)
    : graph(open_model(arguments.file)), data(load_for(graph, arguments.data)) {
  take_normalisation(graph, data);
  validation = judging_pictures(data, arguments.hold_out);
  calibration = calibration_pictures(graph, data, arguments.calibration, arguments.seed);
  coupling = couple(graph);
}

Measurements measurements_of(const Analysis& analysis, const AnalysisArguments& arguments,
                             const std::string& kind, RunIdentity choices) {
  const std::filesystem::path folder = folder_of(analysis, arguments, kind);
  make_folder(folder);
  Graph copy = analysis.graph;
  choices["network"] = weight_checksum(copy);
  choices["data"] = join(analysis.data.fingerprint());
  choices["pictures held out"] = join(analysis.validation.count());
  choices["calibration pictures"] = join(arguments.calibration);
  choices["seed"] = join(arguments.seed);
  return {folder / "measured.jsonl", choices, arguments.resume};
}

std::filesystem::path folder_of(const Analysis& analysis, const AnalysisArguments& arguments,
                                const std::string& kind) {
  if (!arguments.out.empty()) return arguments.out;
  const std::string& network = analysis.graph.info.network;
  return "runs/" + (network.empty() ? "model" : network) + "-" + kind;
}

report::ReportData report_of(const Analysis& analysis, const AnalysisArguments& arguments,
                             const Invocation& invocation, const std::string& kind) {
  report::ReportData report;
  report.title = analysis.graph.info.network + ", " + kind;
  report.facts = common_facts(analysis.graph, analysis.data);
  report.facts.insert(report.facts.begin() + 2,
                      {{"judged by", join(report::grouped(analysis.validation.count()),
                                          " training pictures, set aside")},
                       {"calibration", join(arguments.calibration, " other training pictures")},
                       {"seed", std::to_string(arguments.seed)}});
  report.commands = {invocation.text()};
  return report;
}

}  // namespace bonsai::app
