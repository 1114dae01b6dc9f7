#include "compress/controller.h"

#include <cmath>
#include <optional>
#include <utility>

#include "compress/calibration.h"
#include "compress/controller_state.h"
#include "compress/latency.h"
#include "compress/recalibrate.h"
#include "compress/recorder.h"
#include "engine/error.h"
#include "engine/file.h"
#include "layers/checksum.h"
#include "layers/run_identity.h"
#include "layers/step.h"

namespace bonsai {
namespace {

namespace fs = std::filesystem;

void check(const ControllerOptions& o, const Dataset& data) {
  require(data.train.count() > 0 && data.test.count() > 0, "prune: there are ", data.train.count(),
          " pictures to learn from and ", data.test.count(),
          " held out to judge by, should be some of both");
  require(o.target.part > 0 && o.target.part <= 1, "prune: the target is ", o.target.part,
          ", should be above 0 and at most 1");
  require(o.max_drop >= 0, "prune: the allowed drop is ", o.max_drop,
          " points, should be at least 0");
  require(o.budget > 0, "prune: the budget is ", o.budget, " s, should be above 0");
  require(o.step > 0 && o.step <= 1, "prune: the first step is ", o.step,
          ", should be above 0 and at most 1");
  require(o.patience >= 1, "prune: the patience is ", o.patience, ", should be at least 1");
  require(o.recovery.epochs >= 0, "prune: the epochs after each step are ", o.recovery.epochs,
          ", should be at least 0");
  require(o.mode != PruningMode::blocks || o.recovery.epochs > 0,
          "prune: what a block did, other layers must learn: mode blocks needs epochs after each "
          "step");
}

// The rule or criterion by which units of a group are meant to be chosen.
const std::string& chosen_by(const ControllerOptions& o) {
  return o.solve && !o.solve->selection.empty() ? o.solve->selection : o.criterion;
}

RunIdentity identity(const Graph& graph, const Dataset& data, const ControllerOptions& o) {
  Graph copy = graph;
  TrainOptions recovery = o.recovery;
  recovery.start = weight_checksum(copy);
  RunIdentity id = run_identity(recovery, data);
  id.insert(o.lessons.begin(), o.lessons.end());
  id["target"] = join(resource_names[static_cast<size_t>(o.target.resource)], "=", o.target.part);
  id["allowed drop"] = join(o.max_drop);
  id["mode"] = mode_names[static_cast<size_t>(o.mode)];
  id["rounding"] = join(o.round_to);
  id["criterion"] = o.criterion;
  id["ranking"] = ranking_names[static_cast<size_t>(o.ranking)];
  id["calibration pictures"] = join(o.calibration);
  id["first step"] = join(o.step);
  id["patience"] = join(o.patience);
  if (o.solve) {
    id["units chosen by"] = chosen_by(o);
    id["pictures of least squares"] = join(o.solve->pictures);
    id["positions of least squares"] = join(o.solve->reconstruction.positions);
    id["residual target"] = o.solve->reconstruction.residual_target ? "on" : "off";
  }
  return id;
}

LayerTimes layer_times(const ControllerOptions& options) {
  if (!options.replay.empty())
    return LayerTimes([](const Op& op, std::span<const Tensor>, Tensor&) -> double {
      throw Error(join("replay: the journal has no time for a layer (", op.name(), ")"));
    });
  return options.layer_timer ? LayerTimes(options.layer_timer) : LayerTimes();
}

class Controller {
 public:
  Controller(const Graph& original, const Dataset& data, const ControllerOptions& options)
      : original_(original),
        data_(data),
        options_(options),
        times_(layer_times(options)),
        recorder_(options.folder / "journal.jsonl", options.replay, options.clock) {}

  ControlledPruning run() {
    begin();
    while (!stopped_ && step()) {
    }
    return {.graph = current(), .journal = recorder_.records(), .stopped = stopped_};
  }

 private:
  // Everything before the first step.
  void begin() {
    std::error_code error;
    fs::create_directories(options_.folder, error);
    require(!error, options_.folder.string(), ": cannot be made: ", error.message());
    const RunIdentity run = identity(original_, data_, options_);
    recorder_.open(options_.resume, run);
    for (const TimeTable& table : recorder_.times()) times_.restore(table);
    if (recorder_.is_empty() && !recorder_.is_replay())
      times_.calibrate(original_, options_.network_timer ? options_.network_timer(original_)
                                                         : measure_latency(original_).median_ms);
    const Coupling coupling = couple(original_);
    require_reachable(network_cost(original_, times_), coupling);
    if (recorder_.next<StartRecord>() == nullptr && !record_start(run, coupling)) return;
    state_ = beginning(recorder_.start(), options_.step);
  }

  void require_reachable(const NetworkCost& whole, const Coupling& coupling) {
    const auto all = ceilings(original_, coupling, options_.round_to, times_);
    if (options_.outlook) options_.outlook(whole, all);
    const Resource resource = options_.target.resource;
    const auto least = [&](const Ceiling& ceiling) {
      return std::ceil(1e4 * amount(ceiling.least, resource) / amount(whole, resource)) / 1e4;
    };
    const double here = least(all[static_cast<size_t>(options_.mode)]),
                 best = least(all[static_cast<size_t>(PruningMode::coupled)]);
    require(options_.target.part >= here, "prune: ", resource_names[static_cast<size_t>(resource)],
            "=", options_.target.part, " cannot be reached, the least in mode ",
            mode_names[static_cast<size_t>(options_.mode)], " is ", here,
            best < here ? join(", in mode coupled ", best) : std::string());
  }

  // False: stopped.
  bool record_start(const RunIdentity& run, const Coupling& coupling) {
    Graph copy = original_;
    const auto accuracy = judged(copy);
    if (!accuracy) return false;
    StartRecord start{.run = run,
                      .network = weight_checksum(copy),
                      .validation = *accuracy,
                      .units = {},
                      .cost = network_cost(original_, times_)};
    for (const Group& group : coupling.groups)
      start.units[group.name] = static_cast<int>(group.units.size());
    record(std::move(start));
    return true;
  }

  // From the plan to the decision; false when nothing more is to be done.
  bool step() {
    if (const auto reason = reason_to_end()) return end(*reason);
    const PlanRecord* recorded = recorder_.next<PlanRecord>();
    const bool resumed = recorded != nullptr;
    const std::optional<PlanRecord> plan = resumed ? *recorded : make_plan();
    if (!plan) return !stopped_ && end(EndReason::nothing);
    if (!resumed) record(*plan);
    if (recorder_.is_out_of_time(options_.budget, 0)) return end(EndReason::budget);
    const ResultRecord* known = recorder_.next<ResultRecord>();
    std::optional<ResultRecord> result = known != nullptr ? *known : recover(*plan, resumed);
    if (!result) return !stopped_ && end(EndReason::budget);
    if (known == nullptr) record(*result);
    fs::remove_all(step_folder(plan->number));
    state_ = after(std::move(state_), *plan, *result, options_.step);
    if (result->kept) current_.reset();
    pruned_.reset();
    return true;
  }

  std::optional<EndReason> reason_to_end() const {
    if (const auto reason = recorder_.recorded_end()) return reason;
    if (amount(state_.cost, options_.target.resource) <= aim()) return EndReason::target;
    if (state_.failures >= options_.patience) return EndReason::drop;
    if (recorder_.is_out_of_time(options_.budget, recorder_.longest_step()))
      return EndReason::budget;
    return std::nullopt;
  }

  bool end(EndReason reason) {
    if (!recorder_.recorded_end()) record(EndRecord{reason});
    return false;
  }

  // Nothing when no group can give anything, or when stopped.
  std::optional<PlanRecord> make_plan() {
    const double whole = amount(recorder_.start().cost, options_.target.resource);
    const Step step = next_step(current(), pictures(), times_,
                                {.resource = options_.target.resource,
                                 .mode = options_.mode,
                                 .round_to = options_.round_to,
                                 .criterion = options_.criterion,
                                 .ranking = options_.ranking,
                                 .seed = options_.recovery.seed,
                                 .should_stop = [this] { return should_stop(); }},
                                state_.planner, {.saving = state_.saving * whole, .aim = aim()});
    if (step.moves.empty()) return std::nullopt;
    PlanRecord plan{.number = state_.tried + 1,
                    .saving = state_.saving,
                    .moves = step.moves,
                    .from = state_.kept,
                    .gone = {step.gone.begin(), step.gone.end()},
                    .chosen_by = options_.criterion,
                    .solved = false,
                    .cost = {},
                    .recalibrated = {}};
    if (begins_at_original()) begin_at_original(plan);
    Graph* small = pruned(plan);
    if (small == nullptr) return std::nullopt;
    plan.cost = network_cost(*small, times_);
    const auto accuracy = judged(*small);
    if (!accuracy) return std::nullopt;
    plan.recalibrated = *accuracy;
    return plan;
  }

  // Trains what the plan left, if that is wanted. Nothing when stopped, or when the budget is used
  // up on the way.
  std::optional<ResultRecord> recover(PlanRecord plan, bool resumed) {
    Graph* graph = pruned(plan);
    if (graph == nullptr) return std::nullopt;
    ResultRecord result{.number = plan.number,
                        .kept = false,
                        .epochs = options_.recovery.epochs * (1 + state_.failures),
                        .diverged = false,
                        .validation = plan.recalibrated,
                        .network = {}};
    if (result.epochs > 0 && !train(*graph, result, resumed)) return std::nullopt;
    if (!result.diverged) {
      result.network = weight_checksum(*graph);
      result.kept = result.validation.accuracy >= least_accuracy();
    }
    if (result.kept) save(point_path(plan.number), *graph);
    return result;
  }

  // False: stopped, or out of time.
  bool train(Graph& graph, ResultRecord& result, bool resumed) {
    std::atomic<bool> halt = false;
    TrainOptions training = options_.recovery;
    training.epochs = result.epochs;
    training.seed += static_cast<uint64_t>(result.number);
    training.folder = step_folder(result.number);
    training.resume = resumed;
    training.start = weight_checksum(graph);
    training.stop = &halt;
    training.progress = [&](const Progress& progress) {
      if (should_stop() || recorder_.is_out_of_time(options_.budget, 0)) halt = true;
      if (options_.progress) options_.progress(progress);
    };
    try {
      const TrainResult trained =
          options_.train ? options_.train(graph, data_, training) : fit(graph, data_, training);
      result.validation = {.loss = trained.test.loss, .accuracy = trained.test.accuracy};
      return !trained.stopped;
    } catch (const Diverged&) {
      result.diverged = true;
      result.validation = {};
      return true;
    }
  }

  void record(decltype(Record::what) what) {
    recorder_.add(std::move(what), times_.table());
    if (options_.decided) options_.decided(recorder_.records());
  }

  bool should_stop() {
    stopped_ = stopped_ || (options_.stop != nullptr && *options_.stop);
    return stopped_;
  }

  // On the pictures held out; nothing when stopped.
  std::optional<Accuracy> judged(Graph& graph) {
    auto accuracy = bonsai::judged(graph, {data_.test, data_.mean, data_.std}, options_.stop);
    stopped_ = stopped_ || !accuracy;
    return accuracy;
  }

  double aim() const {
    return options_.target.part * amount(recorder_.start().cost, options_.target.resource);
  }
  double least_accuracy() const {
    constexpr double rounding_error = 1e-12;
    return recorder_.start().validation.accuracy - options_.max_drop / 100 - rounding_error;
  }
  std::string point_path(int number) const {
    return (options_.folder / point_name(number)).string();
  }
  fs::path step_folder(int number) const { return options_.folder / join("step-", number); }

  const std::vector<Batch>& pictures() {
    if (pictures_.empty()) {
      pictures_ =
          calibration_batches(data_.train, data_.mean, data_.std,
                              {.images = options_.calibration, .seed = options_.recovery.seed});
    }
    return pictures_;
  }

  // The network that a step led to, as its file has it: a run that was interrupted sees the same.
  Graph network(int number) const {
    if (number == 0) return original_;
    const std::string path = point_path(number);
    Graph graph = load(path);
    require(weight_checksum(graph) == recorder_.checksum(number), path,
            ": is not the network that step ", number, " of the journal led to");
    return graph;
  }

  // The last network that was kept.
  Graph& current() {
    if (!current_) current_ = network(state_.kept);
    return *current_;
  }

  // See compress/solve_step.h.
  bool begins_at_original() const { return options_.solve && options_.recovery.epochs == 0; }

  // Or at what came last of those where the units that go now are units.
  void begin_at_original(PlanRecord& plan) {
    const auto gone = gone_together(network(state_.from), {state_.gone.begin(), state_.gone.end()},
                                    current(), {plan.gone.begin(), plan.gone.end()});
    if (!gone) return;
    plan.from = state_.from;
    plan.gone.assign(gone->begin(), gone->end());
  }

  // The network of a plan before any training; null when stopped. What least squares decide is
  // noted in the plan.
  Graph* pruned(PlanRecord& plan) {
    if (pruned_) return &*pruned_;
    std::set<int> gone = {plan.gone.begin(), plan.gone.end()};
    if (options_.solve && !plan.moves.front().is_block()) {
      SolveOptions solve = *options_.solve;
      solve.reconstruction.seed = options_.recovery.seed;
      solve.reconstruction.stop = options_.stop;
      auto solved = solve_step(network(plan.from), gone, data_, solve);
      if (should_stop() || !solved) return nullptr;
      plan.gone.assign(solved->gone.begin(), solved->gone.end());
      plan.solved = true;
      if (solved->chosen) plan.chosen_by = solve.selection;
      pruned_ = std::move(solved->graph);
    } else {
      pruned_ = after_step(current(), {plan.moves, std::move(gone)});
    }
    recalibrate(*pruned_, pictures());
    return &*pruned_;
  }

  const Graph& original_;
  const Dataset& data_;
  const ControllerOptions& options_;
  LayerTimes times_;
  Recorder recorder_;
  ControllerState state_;
  bool stopped_ = false;
  std::vector<Batch> pictures_;
  std::optional<Graph> current_, pruned_;
};

}  // namespace

std::string point_name(int number) { return join("point-", number, ".bonsai"); }

ControlledPruning prune_to_target(const Graph& graph, const Dataset& data,
                                  const ControllerOptions& options) {
  check(options, data);
  return Controller(graph, data, options).run();
}

}  // namespace bonsai
