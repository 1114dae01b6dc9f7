#include "apps/pruning.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <CLI/CLI.hpp>

#include "apps/console.h"
#include "apps/decomposition.h"
#include "apps/models.h"
#include "apps/options.h"
#include "apps/report/text.h"
#include "apps/usage.h"
#include "compress/criterion.h"
#include "compress/fold_constants.h"
#include "compress/prune.h"
#include "compress/recalibrate.h"
#include "engine/cost.h"

namespace bonsai::app {
namespace {

// Looked at by default.
constexpr int criterion_pictures = 1024, reconstruction_pictures = 5000;

std::vector<std::string> criterion_names() {
  std::vector<std::string> names;
  for (const Criterion& criterion : criteria()) names.push_back(criterion.name);
  return names;
}

// `macs`: aimed at instead of what was asked for. Groups that the mode leaves alone keep all,
// unless they are named. `sampled`: null when the mode is another.
Budget budget_of(const PruningArguments& pruning, std::optional<double> macs,
                 const Coupling& coupling, const Sampled* sampled) {
  Budget budget;
  budget.round_to = pruning.round_to;
  if (!pruning.target.empty()) {
    const auto [what, ratio] = parse_ratio("--target", pruning.target);
    (what == "macs" ? budget.macs : budget.params) = ratio;
  }
  if (macs) budget.macs = macs;
  if (pruning.ratio) budget.keep = pruning.ratio;
  for (const std::string& text : pruning.ratios)
    budget.groups.insert(parse_ratio("--ratios", text));
  const std::set<int> read =
      sampled != nullptr ? sampled_groups(*sampled, coupling) : std::set<int>{};
  const PruningMode mode = sampled != nullptr ? PruningMode::inner : pruning_mode(pruning);
  for (size_t g = 0; g < coupling.groups.size(); ++g) {
    const Group& group = coupling.groups[g];
    const bool is_read = read.count(static_cast<int>(g)) != 0;
    require_usage(!is_read || budget.groups.count(group.name) == 0, "--ratios: ", group.name,
                  " makes channels that samplers choose from, which --mode sampled leaves whole");
    if (!may_shrink(group, mode) || is_read) budget.groups.try_emplace(group.name, 1);
  }
  return budget;
}

void require_layers(const Coupling& coupling, const PruningArguments& pruning, const Graph& graph) {
  std::vector<std::string> known;
  for (const Group& group : coupling.groups)
    for (const int p : group.producers)
      known.push_back(
          graph.node_name(static_cast<size_t>(coupling.producers[static_cast<size_t>(p)].node)));
  for (const std::string& text : pruning.ratios)
    require_one_of("--ratios", parse_ratio("--ratios", text).first, known);
}

Graph pruned_with_constants(const Graph& graph, const Coupling& coupling,
                            const std::set<int>& gone) {
  const FoldedConstants folded = fold_constants(graph, coupling, gone);
  say(join("constants of removed channels: up to ", report::fixed(folded.largest, 4),
           " kept, off by up to ", report::fixed(folded.border_error, 4),
           " at the borders of maps"));
  return prune(folded.graph, couple(folded.graph), gone);
}

// Prunes with `data`, whose pictures it draws by `seed`, and measures with `timer`.
struct Pruner {
  const PruningArguments& pruning;
  const Dataset* data;
  uint64_t seed;
  const GraphTimer& timer;

  int pictures() const { return pruning.calibration.value_or(reconstruction_pictures); }

  // `macs`: see budget_of().
  Pruned pruned(const Graph& graph, std::optional<double> macs) const {
    const Criterion& criterion = find_criterion(pruning.criterion);
    std::vector<Batch> batches;
    if (criterion.needs_pictures || pruning.recalibrate) {
      batches = calibration_pictures(graph, *data, pruning.calibration.value_or(criterion_pictures),
                                     seed);
    }
    const auto chosen = [&](const Graph& from, const Coupling& coupling, const Sampled* sampled) {
      require_layers(coupling, pruning, from);
      return choose(from, coupling, criterion.score(Evidence(from, coupling, batches, seed)),
                    budget_of(pruning, macs, coupling, sampled));
    };
    Pruned result;
    if (pruning.samples()) {
      SamplingPlan plan = plan_samplers(
          graph,
          [&](const Sampled& sampled, const Coupling& coupling) {
            return chosen(sampled.graph, coupling, &sampled);
          },
          timer);
      result = solved(plan.sampled.graph, plan.coupling, plan.gone);
      result.graph = without_unread(result.graph);
      result.sampled = std::move(plan.layers);
    } else {
      const Coupling coupling = couple(graph);
      const std::set<int> gone = chosen(graph, coupling, nullptr);
      if (pruning.reconstruction.is_asked()) {
        result = solved(graph, coupling, gone);
      } else {
        result.graph = pruning.fold_constants ? pruned_with_constants(graph, coupling, gone)
                                              : prune(graph, coupling, gone);
      }
    }
    if (pruning.recalibrate) recalibrate(result.graph, batches);
    return result;
  }

  // The three steps share the aim: the first split of a layer leaves two thirds of it (as a power),
  // and pruning takes what is still missing after the second. What is not quicker split is left for
  // pruning alone.
  Pruned pruned_by_3c(const Graph& graph) const {
    const double target = parse_ratio("--target", pruning.target).second;
    Decomposition split =
        decomposed(graph, std::pow(target, 2.0 / 3), pruning, *data, pictures(), seed, timer);
    const auto before = static_cast<double>(total_cost(graph).macs),
               now = static_cast<double>(total_cost(split.graph).macs);
    Pruned result = pruned(split.graph, std::min(1.0, target * before / now));
    result.decomposed = std::move(split.layers);
    return result;
  }

 private:
  Pruned solved(const Graph& graph, const Coupling& coupling, const std::set<int>& gone) const {
    Reconstruction found =
        reconstructed(graph, coupling, gone, pruning.reconstruction, *data, pictures(), seed);
    Pruned result;
    result.layers = std::move(found.layers);
    result.graph = prune(found.graph, coupling, found.gone);
    return result;
  }
};

}  // namespace

void add_criterion(CLI::App& parser, std::string& criterion) {
  std::string known;
  for (const std::string& name : criterion_names()) known += (known.empty() ? "" : ", ") + name;
  parser.add_option("--criterion", criterion, "which channels go first: " + known);
}

void require_criterion(const std::string& criterion) {
  require_one_of("--criterion", criterion, criterion_names());
}

void add_pruning(CLI::App& parser, PruningArguments& pruning, const std::string& target) {
  add_criterion(parser, pruning.criterion);
  auto* aim = parser.add_option("--target", pruning.target,
                                "what is left of the whole: macs=0.5 or params=0.3");
  auto* ratio = parser.add_option("--ratio", pruning.ratio,
                                  "what every layer keeps of its channels, instead of --target");
  parser
      .add_option("--ratios", pruning.ratios,
                  "what single layers keep: features.0=0.5,features.3=0.7")
      ->delimiter(',');
  parser.add_option("--mode", pruning.mode,
                    "which layers: inner (those whose channels no other layer makes, as in Li et "
                    "al.), coupled (also the stages of residual networks, as wholes), sampled "
                    "(with --method lasso and 3c: inner, and layers that share what they read "
                    "choose from it), or, in steps, blocks (also whole residual blocks)");
  parser
      .add_option("--round-to", pruning.round_to,
                  "layers keep a multiple of so many channels; 1: as many as the target leaves")
      ->check(CLI::Range(1, 1024));
  parser.add_flag("--fold-constants", pruning.fold_constants,
                  "later layers keep the constants that removed channels leave");
  parser.add_flag("--recalibrate", pruning.recalibrate,
                  "estimate batch norm's statistics anew on training pictures");
  add_reconstruction(parser, pruning.reconstruction);
  parser
      .add_option("--calibration", pruning.calibration,
                  join("training pictures to look at, 0: all; by default ", criterion_pictures,
                       ", for --method lasso and --repair ", reconstruction_pictures))
      ->check(CLI::NonNegativeNumber);
  ratio->excludes(aim);
  if (!target.empty()) aim->description(aim->get_description() + "; by default " + target);
}

PruningMode pruning_mode(const PruningArguments& pruning) {
  require_usage(!pruning.samples(), "--mode sampled goes with --method lasso or 3c, at once");
  std::vector<std::string> known(mode_names.begin(), mode_names.end());
  known.emplace_back("sampled");
  require_one_of("--mode", pruning.mode, known);
  const auto place = std::find(mode_names.begin(), mode_names.end(), pruning.mode);
  return static_cast<PruningMode>(place - mode_names.begin());
}

void check(const PruningArguments& pruning, bool has_data) {
  require_criterion(pruning.criterion);
  if (!pruning.samples() || !pruning.reconstruction.is_method())
    require_usage(pruning_mode(pruning) != PruningMode::blocks,
                  "--mode blocks goes in steps: give bonsai prune --max-drop or --budget");
  require_usage(has_data || !find_criterion(pruning.criterion).needs_pictures, "--criterion ",
                pruning.criterion, " looks at pictures: give --data");
  require_usage(has_data || !pruning.recalibrate, "--recalibrate looks at pictures: give --data");
  check(pruning.reconstruction, has_data);
  require_usage(!pruning.fold_constants || !pruning.reconstruction.is_asked(),
                "--fold-constants: reconstruction keeps constants already; leave it out");
  if (!pruning.target.empty()) {
    const std::string what = parse_ratio("--target", pruning.target).first;
    require_usage(what != "latency", "--target ", pruning.target,
                  " is an aim of pruning in steps: give bonsai prune --max-drop or --budget");
    require_one_of("--target", what, {"macs", "params"});
  }
  require_usage(
      !pruning.reconstruction.decomposes() ||
          (!pruning.target.empty() && parse_ratio("--target", pruning.target).first == "macs" &&
           pruning.ratios.empty()),
      "--method 3c shares its aim among three steps: give --target macs=0.5 alone");
  require_usage(!pruning.ratio || (*pruning.ratio > 0 && *pruning.ratio <= 1), "--ratio is ",
                pruning.ratio.value_or(0), ", should be above 0 and at most 1");
  for (const std::string& text : pruning.ratios) parse_ratio("--ratios", text);
  require_usage(!pruning.target.empty() || pruning.ratio || !pruning.ratios.empty(),
                "how much is to go? Give --target macs=0.5, --ratio 0.5 or --ratios LAYER=0.5");
}

Pruned pruned(const Graph& graph, const PruningArguments& pruning, const Dataset* data,
              uint64_t seed, const GraphTimer& timer) {
  const Pruner pruner{pruning, data, seed, timer};
  return pruning.reconstruction.decomposes() ? pruner.pruned_by_3c(graph)
                                             : pruner.pruned(graph, {});
}

std::string description(const PruningArguments& pruning) {
  std::string aim;
  if (!pruning.target.empty()) {
    const auto [what, ratio] = parse_ratio("--target", pruning.target);
    aim = "to " + report::percent(ratio, 0) + " of its " +
          (what == "macs"     ? "MACs"
           : what == "params" ? "parameters"
                              : "predicted time");
  } else if (pruning.ratio) {
    aim = "to " + report::percent(*pruning.ratio, 0) + " of the channels of every layer";
  } else {
    aim = "in single layers";
  }
  const ReconstructionArguments& reconstruction = pruning.reconstruction;
  return aim + " " +
         (reconstruction.is_method() ? description(reconstruction)
                                     : "by the criterion " + pruning.criterion) +
         (reconstruction.repair ? ", " + description(reconstruction) : "") +
         (pruning.mode == mode_names[0] ? ", inner layers alone" : "") +
         (pruning.samples() ? ", by samplers where channels are shared" : "") +
         (pruning.round_to > 1 ? join(", in multiples of ", pruning.round_to) : "") +
         (pruning.fold_constants ? ", constants kept" : "") +
         (pruning.recalibrate ? ", batch norm recalibrated" : "");
}

}  // namespace bonsai::app
