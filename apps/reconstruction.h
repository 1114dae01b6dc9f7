// The options of pruning by reconstruction, what they lead to, and how its errors are shown.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <vector>

#include "apps/console.h"
#include "apps/report/data.h"
#include "compress/reconstruct.h"
#include "data/dataset.h"

namespace CLI {
class App;
}

namespace bonsai::app {

struct ReconstructionArguments {
  std::string method = "criterion";  // or "lasso", "3c"
  std::string select = "lasso";      // which channels the methods keep
  bool repair = false;               // least squares after a criterion
  bool compare = false;
  bool no_residual_target = false;
  int positions = 10;

  bool decomposes() const { return method == "3c"; }
  bool is_method() const { return method == "lasso" || decomposes(); }
  bool is_asked() const { return is_method() || repair; }
};
void add_reconstruction(CLI::App& parser, ReconstructionArguments& reconstruction);

// Throws UsageError on names that do not exist, on options that exclude each other, and on what
// looks at pictures when there are none.
void check(const ReconstructionArguments& reconstruction, bool has_data);

// `gone`: what a criterion would remove; the methods keep as many units of each group. Looks at
// `pictures` training pictures (0: all). A signal ends it.
Reconstruction reconstructed(const Graph& graph, const Coupling& coupling,
                             const std::set<int>& gone,
                             const ReconstructionArguments& reconstruction, const Dataset& data,
                             int pictures, uint64_t seed);

// Shows which layer is being solved for: ReconstructOptions::progress.
std::function<void(const std::string& layer, int done, int total)> progress_of_layers(
    StatusLine& status);

std::string description(const ReconstructionArguments& reconstruction);  // "by LASSO and ..."

// Errors are shares of the square of the layer's response, on pictures that were not solved for
// where enough were given.
std::string layer_error_text(const std::vector<ReconstructedLayer>& layers);  // for the terminal
nlohmann::ordered_json layer_error_json(const std::vector<ReconstructedLayer>& layers);
std::vector<report::LayerError> layer_errors(const std::vector<ReconstructedLayer>& layers);

}  // namespace bonsai::app
