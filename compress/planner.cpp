#include "compress/planner.h"

#include <utility>

#include "compress/blocks.h"
#include "compress/prune.h"
#include "compress/recalibrate.h"
#include "engine/error.h"
#include "engine/ops.h"

namespace bonsai {
namespace {

double pick(const Cost& cost, Resource resource) {
  return static_cast<double>(resource == Resource::macs ? cost.macs : cost.params);
}

double cost_of(const Evidence& evidence, const std::set<int>& gone, Resource resource,
               LayerTimes& times) {
  const Graph& graph = evidence.graph();
  const Coupling& coupling = evidence.coupling();
  if (resource == Resource::latency) return times.predict(prune(graph, coupling, gone));
  return pick(pruned_cost(graph, coupling, gone), resource);
}

double cost_of(const Graph& graph, Resource resource, LayerTimes& times) {
  return resource == Resource::latency ? times.predict(graph) : pick(total_cost(graph), resource);
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

double recalibrated_loss(Graph graph, std::span<const Batch> pictures) {
  recalibrate(graph, pictures);
  return mean_loss(graph, pictures);
}

// Every block that may go.
std::vector<Move> block_moves(const Graph& graph, std::span<const Batch> calibration,
                              LayerTimes& times, const PlannerOptions& options,
                              const PlannerState& state) {
  const double cost = cost_of(graph, options.resource, times);
  Graph whole = graph;
  const double loss = mean_loss(whole, calibration);
  std::vector<Move> moves;
  for (const Block& block : removable_blocks(graph)) {
    if (state.frozen.count(block.name) != 0) continue;
    if (options.should_stop && options.should_stop()) return {};
    Graph shorter = without_block(graph, block);
    Move move{.group = block.name, .from = 1, .to = 0, .loss = 0, .saved = 0};
    move.saved = cost - cost_of(shorter, options.resource, times);
    move.loss = recalibrated_loss(std::move(shorter), calibration) - loss;
    if (move.saved > 0) moves.push_back(std::move(move));
  }
  return moves;
}

}  // namespace

Step next_step(const Graph& graph, std::span<const Batch> calibration, LayerTimes& times,
               const PlannerOptions& options, const PlannerState& state, const StepSize& size) {
  require(options.mode != PruningMode::blocks || options.ranking == LossPrediction::sensitivity,
          "prune: what a block is worth is measured: mode blocks needs the ranking sensitivity");
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
      if (stopped()) return 0.0;
      return recalibrated_loss(prune(graph, coupling, gone), calibration) - before;
    };
  }
  std::vector<Move> moves = possible_moves(graph, coupling, scores, rules);
  if (options.mode == PruningMode::blocks) {
    for (Move& move : block_moves(graph, calibration, times, options, state))
      moves.push_back(std::move(move));
    order(moves, rules);
  }
  if (stopped()) return {};
  if (!moves.empty() && moves.front().is_block()) return {.moves = {moves.front()}, .gone = {}};
  std::erase_if(moves, [](const Move& move) { return move.is_block(); });
  return assemble(graph, coupling, scores, moves, rules, size);
}

Graph after_step(const Graph& graph, const Step& step) {
  if (step.moves.size() == 1 && step.moves.front().is_block())
    return without_block(graph, step.moves.front().group);
  return prune(graph, couple(graph), step.gone);
}

}  // namespace bonsai
