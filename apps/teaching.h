// The options of learning from a teacher and what they lead to.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "compress/distillation.h"
#include "layers/trainer.h"

namespace CLI {
class App;
}

namespace bonsai::app {

struct TeachingArguments {
  double temperature = 4, alpha = 0.9;
  std::vector<std::string> hints, attention;  // "student=teacher", a name of both, or "stages"
  double hint_weight = 10, attention_weight = 1000;
};
void add_teaching(CLI::App& parser, TeachingArguments& teaching);

// Throws UsageError on a pair of layers that is none.
DistillationOptions distillation_options(const TeachingArguments& teaching, const Graph& student,
                                         const Graph& teacher, uint64_t seed);

// For a training with these options: the teacher is asked beforehand, with a progress line, when
// pictures are not augmented. Throws Error when the networks do not fit, Stopped after a signal.
std::unique_ptr<Distillation> distillation(Graph& student, const Graph& teacher,
                                           const Dataset& data, const TrainOptions& training,
                                           const DistillationOptions& options);

std::string description(const DistillationOptions& options);  // in words, for the report

// What asking a teacher takes of the steps of trainings.
struct TeachingCost {
  double teacher_seconds = 0, step_seconds = 0;
  int64_t steps = 0;

  void add(const Distillation& distillation, const TrainResult& result);
  double share() const;       // 0 .. 1
  double teacher_ms() const;  // per step
  std::string text() const;   // "teacher: 27 % of the time of a step, 12.1 of 44.9 ms"
};

}  // namespace bonsai::app
