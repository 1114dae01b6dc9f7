// The controller: prunes a network to a target by itself, in small steps, and goes back where
// accuracy does not come back.
//
// Each step takes the moves (compress/moves.h) that are predicted to lose least per cost saved,
// until a tenth of the original's cost is saved; solves for the weights that stay, where that is
// wanted (compress/solve_step.h); estimates batch norm's statistics anew; trains a little, or not
// at all; and asks pictures that are held out. Within the allowed drop the step is kept. Otherwise
// the network is what it was before, and the next step is half as large, takes the group that was
// predicted to lose most only at four times its price, and trains longer; a step of one move
// cannot be halved, and its group is left as it is from then on. A step that is kept lets the next
// one be a quarter larger, up to the first size. The run ends with the last network that was kept:
// at the target, after several steps in a row that had to be taken back, when no group can give
// anything, or when the time is used up.
//
// The loop is NetAdapt's (Yang et al. 2018, arXiv:1804.03230) with several moves per step, and with
// a budget of accuracy that can be refused. Same options, same bits, however often the run was
// interrupted; what a clock decided is in the journal (compress/journal.h), which replays it.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "compress/ceilings.h"
#include "compress/journal.h"
#include "compress/planner.h"
#include "compress/solve_step.h"
#include "data/dataset.h"
#include "layers/trainer.h"

namespace bonsai {

struct ControllerOptions {
  Target target;
  double max_drop = 1;  // points of validation accuracy below the original's
  double budget = std::numeric_limits<double>::infinity();  // seconds
  PruningMode mode = PruningMode::coupled;
  int round_to = 8;              // Budget::round_to, of the original widths
  std::string criterion = "l1";  // which units of a group go first
  LossPrediction ranking = LossPrediction::taylor;
  int calibration = 1024;  // training pictures to look at; 0: all
  double step = 0.1;       // of the original's cost, that a step is to save at first and at most
  int patience = 3;        // steps in a row that may fail
  // The weights that a step leaves are solved for; nothing: they stay as they are. Seed and stop
  // are the controller's.
  std::optional<SolveOptions> solve = {};
  // After each step; no epochs: nothing is trained. Folder, start, stop and progress are the
  // controller's; the seed is the run's.
  TrainOptions recovery;

  // journal.jsonl, and point-<n>.bonsai for every step that was kept.
  std::filesystem::path folder;
  bool resume = false;              // go on where the run in this folder stopped
  std::vector<Record> replay = {};  // of a run that ended: do the same again, to the bit

  // How a network is trained after a step; empty: fit (layers/trainer.h). It must do what fit
  // promises: end soon when told to stop, and resume to the bit.
  std::function<TrainResult(Graph&, const Dataset&, const TrainOptions&)> train = {};
  RunIdentity lessons = {};  // what `train` learns from besides the data, such as a teacher
  // The machine's clocks unless given: seconds, ms of a layer, ms of a whole network.
  std::function<double()> clock = {};
  LayerTimes::Timer layer_timer = {};
  std::function<double(const Graph&)> network_timer = {};

  // Before anything is decided: what the network costs and how far each mode could go.
  std::function<void(const NetworkCost&, const std::vector<Ceiling>&)> outlook = {};
  std::function<void(const std::vector<Record>&)> decided = {};  // after every record
  std::function<void(const Progress&)> progress = {};            // of training
  const std::atomic<bool>* stop = nullptr;                       // true: save and return soon
};

struct ControlledPruning {
  Graph graph;  // the last that was kept
  std::vector<Record> journal;
  bool stopped = false;  // before the end
};

// The file of the network that a step led to, in the run's folder.
std::string point_name(int number);

// `data`: its test pictures are those that are held out, and never the real test pictures. Throws
// Error when the target is out of reach, with what can be reached; when the folder holds a run and
// `resume` is not set, or another run and it is; and when a replay comes out differently.
ControlledPruning prune_to_target(const Graph& graph, const Dataset& data,
                                  const ControllerOptions& options);

}  // namespace bonsai
