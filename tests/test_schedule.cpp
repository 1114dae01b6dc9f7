// Learning-rate schedules and the weight average, against closed forms.
#include "layers/schedule.h"

#include <cmath>

#include "engine/error.h"
#include "layers/ema.h"
#include "tests/catch.h"

using namespace bonsai;

namespace {

double factor(ScheduleKind kind, int64_t step, int64_t total, double warmup) {
  return learning_rate_factor({.kind = kind, .warmup = warmup}, step, total);
}

}  // namespace

TEST_CASE("one-cycle rises, then falls to nothing") {
  const auto one_cycle = [](int64_t step) {
    return factor(ScheduleKind::one_cycle, step, 40, 0.25);
  };
  CHECK(one_cycle(0) == Approx(0.1));
  CHECK(one_cycle(5) == Approx(0.6));
  CHECK(one_cycle(9) == Approx(1));
  CHECK(one_cycle(10) == Approx(1));
  CHECK(one_cycle(11) == Approx(0.966667).margin(1e-6));
  CHECK(one_cycle(30) == Approx(0.333333).margin(1e-6));
  CHECK(one_cycle(39) == Approx(0.033333).margin(1e-6));
  for (int64_t i = 0; i < 40; ++i) {
    const double step = static_cast<double>(i);
    CHECK(one_cycle(i) ==
          Approx(std::min((step + 1) / 10, std::max(0.0, (40 - step) / 30))).epsilon(1e-12));
  }
  CHECK(factor(ScheduleKind::one_cycle, 0, 10, 0) == 1);
  CHECK(factor(ScheduleKind::one_cycle, 9, 10, 1) == 1);
  CHECK(factor(ScheduleKind::one_cycle, 0, 1, 0.25) == 1);
}

TEST_CASE("one-cycle begins and ends at a share of the peak") {
  const Schedule schedule{.warmup = 0.25, .first = 0.2, .last = 0.07};
  CHECK(learning_rate_factor(schedule, 0, 40) == Approx(0.2 + 0.8 * 0.1));
  CHECK(learning_rate_factor(schedule, 9, 40) == Approx(1));
  CHECK(learning_rate_factor(schedule, 39, 40) == Approx(0.07 + 0.93 / 30));
  CHECK_THROWS_AS(check(Schedule{.first = 1.5}), Error);
}

TEST_CASE("cosine, step and constant follow their formulas after a warm-up") {
  for (int64_t i = 0; i < 50; ++i) {
    const double cosine = (1 + std::cos(std::acos(-1.0) * static_cast<double>(i) / 50)) / 2;
    CHECK(factor(ScheduleKind::cosine, i, 50, 0) == Approx(cosine));
    CHECK(factor(ScheduleKind::constant, i, 50, 0) == 1);
    const double step = i < 25 ? 1 : i < 38 ? 0.1 : 0.01;
    CHECK(factor(ScheduleKind::step, i, 50, 0) == Approx(step));
  }
  for (const auto kind : {ScheduleKind::constant, ScheduleKind::step, ScheduleKind::cosine}) {
    CHECK(factor(kind, 0, 100, 0.1) == Approx(0.1));
    CHECK(factor(kind, 4, 100, 0.1) == Approx(0.5));
    CHECK(factor(kind, 9, 100, 0.1) == Approx(1));
  }
  CHECK(factor(ScheduleKind::cosine, 55, 100, 0.1) == Approx(0.5));
}

TEST_CASE("schedules out of range are refused") {
  CHECK_THROWS_AS(check(Schedule{.warmup = 1.5}), Error);
  CHECK_THROWS_AS(check(Schedule{.milestones = {2}}), Error);
  CHECK_THROWS_AS(check(Schedule{.decay = 0}), Error);
  CHECK_THROWS_AS(learning_rate_factor({}, 10, 10), Error);
  CHECK_NOTHROW(check(Schedule{}));
}

TEST_CASE("the weight average follows its recurrence, and swapping twice changes nothing") {
  Parameter p{.name = "w", .value = Tensor({5000}, 1)};
  Ema ema({&p}, 0.5F);
  double expected = 1;
  for (int t = 0; t < 30; ++t) {
    p.value.fill(static_cast<Scalar>(t));
    ema.update(t);
    const double decay = std::min(0.5, (1.0 + t) / (10.0 + t));
    expected = decay * expected + (1 - decay) * t;
  }
  CHECK(static_cast<double>(ema.state()[0].second[4999]) == Approx(expected));
  {
    const Ema::Swapped averages(&ema);
    CHECK(static_cast<double>(p.value[0]) == Approx(expected));
  }
  CHECK(p.value[0] == 29);
  { const Ema::Swapped nothing(nullptr); }
  CHECK_THROWS_AS(Ema({&p}, 1), Error);
}
