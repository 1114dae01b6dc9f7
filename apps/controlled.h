// Pruning in steps (compress/controller.h) as a command runs it: what is said on the way, files,
// and a report.
#pragma once

#include "apps/control_options.h"
#include "apps/invocation.h"

namespace bonsai::app {

void run_controlled(const ControlledArguments& arguments, const CLI::App& parser,
                    const Invocation& invocation);

}  // namespace bonsai::app
