// Slimming of channels: Liu et al. 2017, Network Slimming; Fang et al. 2023, DepGraph; Huang and
// Wang 2018, Sparse Structure Selection, of channels.
#include "apps/options.h"
#include "apps/report/text.h"
#include "apps/slimming.h"
#include "compress/choose.h"
#include "compress/explicit_scales.h"
#include "compress/group_sparsity.h"
#include "compress/prune.h"
#include "compress/scale_sparsity.h"
#include "compress/structure_selection.h"

namespace bonsai::app {
namespace {

constexpr float first_scale = 0.5F;  // of a fresh network, as in the paper

class ChannelSlimming : public Slimming {
 public:
  explicit ChannelSlimming(const SlimmingArguments& arguments) : arguments_(arguments) {}

  std::string what() const override { return "channels"; }

  std::string cut_text() const override {
    if (!arguments_.target.empty()) return "the lowest channels until " + arguments_.target;
    return report::percent(arguments_.part.value_or(0.5), 0) + " of all channels, the lowest";
  }

  // Norms are in multiples of the layer's mean.
  std::vector<double> score_ranges() const override {
    if (of_norms()) return {0, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 1.1};
    return {0, 0.001, 0.01, 0.03, 0.1, 0.2, 0.4, 0.8};
  }

  Graph prepared(const Graph& graph) const override {
    return of_norms() ? graph : with_scales(graph);
  }

  std::unique_ptr<Penalty> penalty(Graph& graph, bool fresh) const override {
    const auto strength = static_cast<float>(arguments_.strength);
    if (of_norms()) return std::make_unique<GroupSparsity>(graph, strength);
    if (fresh)
      for (const Parameter* p : batch_norm_scales(graph)) p->value.fill(first_scale);
    if (arguments_.penalty == "apg") {
      std::vector<SharedFactors> factors;
      for (Parameter* p : channel_scales(graph)) factors.push_back({p});
      return std::make_unique<StructureSelection>(std::move(factors), strength);
    }
    return std::make_unique<ScaleSparsity>(
        channel_scales(graph), strength,
        arguments_.penalty == "l1" ? ScaleMethod::subgradient : ScaleMethod::proximal);
  }

  Scores scores(Graph& graph) const override { return scores(graph, couple(graph)); }

  std::vector<CliffPoint> cliff(Graph& graph, const Judge& judge,
                                std::span<const Batch> calibration,
                                const CliffOptions& options) const override {
    const Coupling coupling = couple(graph);
    CliffOptions with = options;
    with.floor = arguments_.floor.value_or(0.1);
    return measure_cliff(graph, coupling, scores(graph, coupling), judge, calibration, with);
  }

  Graph cut(Graph& graph) const override {
    const Coupling coupling = couple(graph);
    return fold_scales(
        prune(graph, coupling, choose(graph, coupling, scores(graph, coupling), budget())));
  }

 private:
  bool of_norms() const { return arguments_.penalty == "group"; }

  Scores scores(const Graph& graph, const Coupling& coupling) const {
    const char* criterion = of_norms() ? "group_norm" : "bn_scale";
    return find_criterion(criterion).score(Evidence(graph, coupling));
  }

  Budget budget() const {
    Budget budget{.round_to = arguments_.round_to.value_or(1),
                  .spread = Spread::global,
                  .floor = arguments_.floor.value_or(0.1)};
    if (arguments_.target.empty()) {
      budget.keep = 1 - arguments_.part.value_or(0.5);
    } else {
      const auto [what, ratio] = parse_ratio("--target", arguments_.target);
      (what == "macs" ? budget.macs : budget.params) = ratio;
    }
    return budget;
  }

  const SlimmingArguments& arguments_;
};

}  // namespace

std::unique_ptr<Slimming> channel_slimming(const SlimmingArguments& arguments) {
  return std::make_unique<ChannelSlimming>(arguments);
}

}  // namespace bonsai::app
