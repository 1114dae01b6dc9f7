#include "layers/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "engine/error.h"

namespace bonsai {

void check(const Schedule& schedule) {
  require(schedule.warmup >= 0 && schedule.warmup <= 1, "schedule: warm-up share ", schedule.warmup,
          " should be in [0, 1]");
  require(schedule.decay > 0 && schedule.decay <= 1, "schedule: decay ", schedule.decay,
          " should be in (0, 1]");
  for (const double end : {schedule.first, schedule.last}) {
    require(end >= 0 && end <= 1, "schedule: ", end, " at an end should be a share in [0, 1]");
  }
  for (const double m : schedule.milestones) {
    require(m >= 0 && m <= 1, "schedule: milestone ", m, " should be a share in [0, 1]");
  }
}

double learning_rate_factor(const Schedule& schedule, int64_t step, int64_t total) {
  require(step >= 0 && step < total, "schedule: step ", step, " of ", total);
  const double i = static_cast<double>(step), n = static_cast<double>(total);
  const double warm = schedule.warmup * n;
  const double rise = warm > 0 ? std::min((i + 1) / warm, 1.0) : 1.0;
  const double left = n > warm ? (n - i) / (n - warm) : 1.0;  // 1 at the end of the warm-up
  switch (schedule.kind) {
    case ScheduleKind::constant:
      return rise;
    case ScheduleKind::step: {
      const auto passed = std::count_if(schedule.milestones.begin(), schedule.milestones.end(),
                                        [&](double m) { return i >= m * n; });
      return rise * std::pow(schedule.decay, static_cast<double>(passed));
    }
    case ScheduleKind::cosine:
      return rise * (1 - std::cos(std::numbers::pi * std::min(left, 1.0))) / 2;
    case ScheduleKind::one_cycle:
      return rise < 1 ? schedule.first + (1 - schedule.first) * rise
                      : schedule.last + (1 - schedule.last) * std::min(left, 1.0);
  }
  return 1;
}

}  // namespace bonsai
