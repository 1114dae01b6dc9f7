// How far a job of many equal steps is and how long it will still take: on a terminal a bar that
// is redrawn, elsewhere a line now and then.
#pragma once

#include <chrono>
#include <string>

#include "apps/console.h"

namespace bonsai::app {

class Steps {
 public:
  explicit Steps(std::string what) : what_(std::move(what)) {}
  void show(int done, int total);
  void clear() { line_.clear(); }

 private:
  std::string what_;
  StatusLine line_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double next_sign_ = 5;  // seconds, where there is no terminal
};

}  // namespace bonsai::app
