// Learning-rate schedules as factors of the peak rate: pure functions of (step, total steps).
// Warm-up is a linear rise over the first share of the steps, so that the first large gradients
// of a fresh network do not throw it off.
//   one_cycle: rises over the warm-up, then falls linearly (after Smith and Topin 2017,
//              arXiv:1708.07120), from and to a share of the peak
//   cosine:    falls along half a cosine (Loshchilov and Hutter 2016, arXiv:1608.03983)
//   step:      is multiplied by `decay` at each milestone
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bonsai {

enum class ScheduleKind { constant, step, cosine, one_cycle };

struct Schedule {
  ScheduleKind kind = ScheduleKind::one_cycle;
  double warmup = 0.25;                          // share of all steps
  std::vector<double> milestones = {0.5, 0.75};  // of `step`, as shares of all steps
  double decay = 0.1;                            // of `step`
  double first = 0, last = 0;                    // of `one_cycle`: factors at its ends
};

// Throws Error when a share is outside [0, 1].
void check(const Schedule& schedule);

// For step 0 .. total - 1.
double learning_rate_factor(const Schedule& schedule, int64_t step, int64_t total);

}  // namespace bonsai
