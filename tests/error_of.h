#pragma once

#include <string>

#include "engine/error.h"

namespace bonsai {

// What the Error says that f throws; empty when it throws none.
template <class F>
std::string error_of(const F& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

}  // namespace bonsai
