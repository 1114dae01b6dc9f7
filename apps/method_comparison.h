// Ways to prune that solve for the weights that stay, beside the criteria that bonsai compare
// judges: each takes the same part of a network, trains nothing, and is judged by the same
// pictures.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "apps/analysis.h"
#include "compress/criteria_comparison.h"

namespace bonsai::app {

struct ComparedMethod {
  std::string name;
  std::string refused = {};  // why it cannot be had for this network; then the rest does not hold
  double macs = 1;           // the part that is left
  Accuracy accuracy = {};
};

// The part `cut` of every group's channels goes: those that the L1 norm chose, treated by
// `least_squares`; those that the LASSO chooses; and 3C aims at the multiply-accumulates of what
// the LASSO leaves. What `curves` keeps is not measured again. A signal ends it.
std::vector<ComparedMethod> compared_methods(const Analysis& analysis,
                                             const AnalysisArguments& arguments,
                                             const ComparedCriterion& l1,
                                             const Treatment& least_squares,
                                             const CurveOptions& curves);

report::Table method_table(const std::vector<ComparedMethod>& methods, double cut);
nlohmann::ordered_json methods_json(const std::vector<ComparedMethod>& methods);

}  // namespace bonsai::app
