// Ways to prune that solve for the weights that stay, beside the criteria that bonsai compare
// judges: each takes the same part of a network, trains nothing, and is judged by the same
// pictures.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "apps/analysis.h"

namespace bonsai::app {

struct ComparedMethod {
  std::string name;
  std::string refused = {};  // why it cannot be had for this network; then the rest does not hold
  double macs = 1;           // the part that is left
  Accuracy accuracy = {};
};

// The part `cut` of every group's channels goes; 3C aims at the multiply-accumulates of what the
// LASSO leaves. A signal ends it.
std::vector<ComparedMethod> compared_methods(const Analysis& analysis,
                                             const AnalysisArguments& arguments, double cut);

report::Table method_table(const std::vector<ComparedMethod>& methods, double cut);
nlohmann::ordered_json methods_json(const std::vector<ComparedMethod>& methods);

}  // namespace bonsai::app
