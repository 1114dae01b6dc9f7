#include "compress/planner.h"

#include "compress/prune.h"
#include "compress/recalibrate.h"
#include "engine/ops.h"

namespace bonsai {
namespace {

double cost_of(const Evidence& evidence, const std::set<int>& gone, Resource resource,
               LayerTimes& times) {
  const Graph& graph = evidence.graph();
  const Coupling& coupling = evidence.coupling();
  if (resource == Resource::latency) return times.predict(prune(graph, coupling, gone));
  const Cost cost = pruned_cost(graph, coupling, gone);
  return static_cast<double>(resource == Resource::macs ? cost.macs : cost.params);
}

double mean_loss(Graph& graph, std::span<const Batch> pictures) {
  double sum = 0, images = 0;
  for (const Batch& batch : pictures) {
    Tape tape(Mode::inference);
    const Var logits = graph.forward(tape.constant(batch.images));
    const double loss = cross_entropy(logits, tape.constant(batch.labels)).value()[0];
    sum += batch.images.dim(0) * loss;
    images += batch.images.dim(0);
  }
  return sum / images;
}

double loss_without(const Evidence& evidence, std::span<const Batch> pictures,
                    const std::set<int>& gone) {
  Graph small = prune(evidence.graph(), evidence.coupling(), gone);
  recalibrate(small, pictures);
  return mean_loss(small, pictures);
}

}  // namespace

Step next_step(const Graph& graph, std::span<const Batch> calibration, LayerTimes& times,
               const PlannerOptions& options, const PlannerState& state, const StepSize& size) {
  const Coupling coupling = couple(graph);
  const Evidence evidence(graph, coupling, calibration, options.seed);
  const Scores scores = find_criterion(options.criterion).score(evidence);
  const auto stopped = [&] { return options.should_stop && options.should_stop(); };
  MoveRules rules{.open = {},
                  .widths = state.units,
                  .round_to = options.round_to,
                  .penalty = state.penalty,
                  .loss = {},
                  .cost = {}};
  for (const Group& group : coupling.groups)
    if (may_shrink(group, options.mode) && state.frozen.count(group.name) == 0)
      rules.open.push_back(group.name);
  rules.cost = [&](const std::set<int>& gone) {
    return cost_of(evidence, gone, options.resource, times);
  };
  if (options.ranking == LossPrediction::taylor) {
    rules.loss = [importance = taylor(evidence)](const std::set<int>& gone) {
      double sum = 0;
      for (const int unit : gone) sum += importance[static_cast<size_t>(unit)];
      return sum;
    };
  } else {
    Graph whole = graph;
    rules.loss = [&, before = mean_loss(whole, calibration)](const std::set<int>& gone) {
      return stopped() ? 0 : loss_without(evidence, calibration, gone) - before;
    };
  }
  const std::vector<Move> moves = possible_moves(graph, coupling, scores, rules);
  if (stopped()) return {};
  return assemble(graph, coupling, scores, moves, rules, size);
}

}  // namespace bonsai
