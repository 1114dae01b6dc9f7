// The subcommands: a file each. `define` adds the options to a parser and returns what to do once
// they are read; both parser and invocation outlive that.
#pragma once

#include <functional>

#include "apps/invocation.h"

namespace CLI {
class App;
}

namespace bonsai::app {

using Job = std::function<void()>;

struct Command {
  const char *name, *summary, *examples;
  Job (*define)(CLI::App& parser, const Invocation& invocation);
};

extern const Command train_command, compress_command, prune_command, eval_command, classify_command,
    summary_command, zoo_command, bench_command, data_command, report_command, sensitivity_command,
    profile_command, compare_command, distill_command, slim_command, speedrun_command;

}  // namespace bonsai::app
