// What the built command prints with --json.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "tests/catch.h"
#include "tests/command.h"

namespace bonsai::test {

// Runs the command and requires that it ends well, with exactly one JSON value on standard output.
inline nlohmann::json json_of(const CommandFolder& folder, const std::string& arguments) {
  const Outcome outcome = folder.run(arguments + " --json");
  INFO(arguments << "\n" << outcome.err);
  REQUIRE(outcome.status == 0);
  return nlohmann::json::parse(outcome.out);
}

}  // namespace bonsai::test
