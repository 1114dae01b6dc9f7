// What the controller (compress/controller.h) will try next: criteria and costs of the network as
// it stands, turned into moves and a step.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "compress/ceilings.h"
#include "compress/evidence.h"
#include "compress/moves.h"

namespace bonsai {

// How the loss of a move is predicted.
enum class LossPrediction {
  taylor,       // the sum of the units' Taylor scores (compress/taylor.cpp)
  sensitivity,  // measured: by how much the loss on calibration pictures rises without the units,
                // batch norm recalibrated
};
inline constexpr std::array<std::string_view, 2> ranking_names = {"taylor", "sensitivity"};

struct PlannerOptions {
  Resource resource = Resource::macs;
  PruningMode mode = PruningMode::coupled;
  int round_to = 8;              // Budget::round_to, of the original widths
  std::string criterion = "l1";  // which units of a group go first
  LossPrediction ranking = LossPrediction::taylor;
  uint64_t seed = 1;  // of criteria that draw
  std::function<bool()> should_stop = {};
};

// What has to do with the steps before.
struct PlannerState {
  std::map<std::string, int> units;  // of every group of the original
  std::set<std::string> frozen;      // groups that stay as they are
  std::map<std::string, double> penalty;
};

// Empty when nothing can be given, or when stopped. A block goes alone, in a step of its own.
// Throws Error when blocks may go and their loss would not be measured.
Step next_step(const Graph& graph, std::span<const Batch> calibration, LayerTimes& times,
               const PlannerOptions& options, const PlannerState& state, const StepSize& size);

// The network after a step, not trained.
Graph after_step(const Graph& graph, const Step& step);

}  // namespace bonsai
