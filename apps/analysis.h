// What the commands that look at a trained network have in common: a model, pictures to judge it
// by that are not the test pictures, and pictures to calibrate on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "apps/invocation.h"
#include "apps/options.h"
#include "apps/report/data.h"
#include "compress/criterion.h"
#include "compress/measurements.h"
#include "compress/sensitivity.h"
#include "data/dataset.h"
#include "engine/graph.h"

namespace CLI {
class App;
}

namespace bonsai::app {

struct AnalysisArguments {
  std::string file, out;
  DataArguments data;
  int hold_out = 0;  // 0: 1,000, or a fifth of the training pictures when those are fewer
  int calibration = 1024;
  uint64_t seed = 1;
  bool resume = false;
  Common common;
};
void add_analysis(CLI::App& parser, AnalysisArguments& arguments);

// Judge and coupling refer to the other members: it stays where it is.
struct Analysis {
  explicit Analysis(const AnalysisArguments& arguments);
  Analysis(const Analysis&) = delete;
  Analysis& operator=(const Analysis&) = delete;

  Graph graph;
  Dataset data;       // with the graph's normalisation; `train` without the pictures held out
  Images validation;  // those
  std::vector<Batch> calibration;
  Coupling coupling;

  Judge judge() const { return {validation, data.mean, data.std}; }
};

// What was measured so far, in the run's folder, which is made. `choices`: the command's own
// options that change its figures.
Measurements measurements_of(const Analysis& analysis, const AnalysisArguments& arguments,
                             const std::string& kind, RunIdentity choices);

// The report's data with what all analyses say; the run's folder.
report::ReportData report_of(const Analysis& analysis, const AnalysisArguments& arguments,
                             const Invocation& invocation, const std::string& kind);
std::filesystem::path folder_of(const Analysis& analysis, const AnalysisArguments& arguments,
                                const std::string& kind);

}  // namespace bonsai::app
