// Which row of its table is the quickest for each convolution of a network, by the clock. Every row
// that fits is tried as a run would call it: weights packed anew and, in training, the batch cut
// into blocks of images (engine/ops/image_blocks.h).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/graph.h"
#include "engine/kernels/conv_plan.h"

namespace bonsai {

struct PlanOptions {
  int batch = 1;
  bool training = false;  // all three tables in blocks of images, or forward alone
  double seconds = 2;     // about; when they are over, the rest keeps the rule's rows
  // Seconds that a run takes; empty: by the clock of the machine.
  std::function<double(const std::function<void()>& run)> clock = {};
};

struct MeasuredChoice {
  ConvChoice choice;
  std::string rule;              // the first row that fits
  double seconds, rule_seconds;  // of both; infinite where no other row was worth measuring
};

struct MeasuredPlan {
  ConvPlan plan;  // a row for every convolution
  std::vector<MeasuredChoice> choices;
};

// The first row that fits stays unless another takes less than 0.95 of its time, the least of three
// runs or more, in turns. Rows that take twice as long as another for a quarter of the batch are
// not looked at again, the plain loops never. The plan of the process changes meanwhile, and comes
// back.
MeasuredPlan measure_plan(const Graph& graph, const PlanOptions& options);

}  // namespace bonsai
