// How a command ends badly, as exceptions; main (bonsai.cpp) alone turns them into exit statuses.
#pragma once

#include "engine/error.h"

namespace bonsai::app {

// The command line is wrong.
struct UsageError : Error {
  using Error::Error;
};

// A signal stopped a job after everything was saved.
struct Stopped : Error {
  Stopped(const std::string& text, int number) : Error(text), signal(number) {}
  int signal;
};

template <class... Parts>
void require_usage(bool ok, const Parts&... parts) {
  if (!ok) throw UsageError(join(parts...));
}

}  // namespace bonsai::app
