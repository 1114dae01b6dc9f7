// Seconds since it was made, unless it is off.
#pragma once

#include <chrono>

namespace bonsai {

class Stopwatch {
 public:
  explicit Stopwatch(bool on = true) : start_(on ? Clock::now() : Clock::time_point()) {}

  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_;
};

}  // namespace bonsai
