// StepProfile: adds up what steps cost, per step and direction, over as many runs of one network as
// are observed.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/step_observer.h"

namespace bonsai {

struct StepFigures {
  std::string name, operation;
  Direction direction = Direction::forward;
  std::string kernel;  // the row that ran; empty where there is no choice
  Shape out;
  int64_t runs = 0;
  double seconds = 0;  // of all runs, as are:
  int64_t macs = 0;    // multiply-accumulates of the direct sum, whatever the kernel does
  int64_t bytes = 0;   // inputs and results, each moved once, however often the kernel does
};

class StepProfile : public StepObserver {
 public:
  void ran(const StepRun& run) override;
  void spent(std::string_view what, double seconds) override;

  const std::vector<StepFigures>& steps() const { return steps_; }  // in the order of first runs
  const std::vector<std::pair<std::string, double>>& others() const { return others_; }
  int64_t macs() const;    // of all steps
  double seconds() const;  // of all that was observed

 private:
  std::map<std::pair<int, Direction>, size_t> places_;
  std::vector<StepFigures> steps_;
  std::vector<std::pair<std::string, double>> others_;
};

}  // namespace bonsai
