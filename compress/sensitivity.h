// Sensitivity: how much accuracy falls when one group alone loses channels (Li et al. 2017,
// section 3.2). Coupled layers are one group and one row: pruned without their partners they would
// lose nothing, and look robust.
//
// Nothing is trained. Every point is measured twice, as pruned and after recalibration of batch
// norm.
#pragma once

#include <atomic>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "compress/criterion.h"
#include "compress/judge.h"
#include "compress/traits.h"
#include "data/loader.h"

namespace bonsai {

struct SensitivityPoint {
  double part = 0;  // of the group's units that was to go
  int units = 0;    // that went, at least 1
  PrunedAccuracy without;
};

struct GroupSensitivity {
  std::string group;                     // the name of its first layer
  int units = 0;                         // that it has
  std::vector<SensitivityPoint> points;  // by rising part; fewer when few units can go
  GroupTraits traits;
};

struct Sensitivity {
  Accuracy whole;                        // of the network as it is
  std::vector<GroupSensitivity> groups;  // in order of execution
  bool stopped = false;  // before all groups were measured; those that were are there
};

struct SensitivityOptions {
  double step = 0.1;                                       // parts are step, 2 step, ... below 1
  std::function<void(int done, int total)> progress = {};  // after each point
  const std::atomic<bool>* stop = nullptr;                 // true: return what there is
  Measurements* kept = nullptr;                            // that an interrupted run goes on with
};

// `scores` say which units of a group go first. Throws Error on a step outside (0, 0.5], and when
// there are no calibration pictures.
Sensitivity measure_sensitivity(const Graph& graph, const Coupling& coupling, const Scores& scores,
                                const Judge& judge, std::span<const Batch> calibration,
                                const SensitivityOptions& options = {});

// The point nearest to this part; null when the group has none.
const SensitivityPoint* point_at(const GroupSensitivity& group, double part);

// What the group loses without half of its units, and what about it may be the cause: "sensitive:
// without 16 of 32 channels 30.0 points lost, ...; read by 3 layers".
std::string explain(const GroupSensitivity& group, const Accuracy& whole);

}  // namespace bonsai
