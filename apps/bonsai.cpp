// The command `bonsai`: a table of subcommands, and the one place where what went wrong becomes a
// line on standard error and an exit status:
//   0 done   2 the command line is wrong   3 training diverged
//   130, 143 stopped by Ctrl-C or SIGTERM after saving   1 anything else
#include <algorithm>
#include <array>
#include <filesystem>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include "apps/commands/commands.h"
#include "apps/console.h"
#include "apps/signals.h"
#include "apps/usage.h"
#include "engine/kernels/gemm.h"
#include "engine/nearest.h"
#include "layers/step.h"

namespace bonsai::app {
namespace {

const std::array commands = {
    &compress_command, &train_command,   &eval_command,        &prune_command,
    &classify_command, &summary_command, &zoo_command,         &bench_command,
    &data_command,     &report_command,  &sensitivity_command, &profile_command,
    &compare_command,  &distill_command, &slim_command,        &speedrun_command};

std::vector<std::string> command_names() {
  std::vector<std::string> names;
  for (const Command* command : commands) names.emplace_back(command->name);
  return names;
}

// The option that the parser does not know, with the one that was probably meant; empty when its
// complaint is about something else.
std::string unknown_option(const CLI::App& command, const std::vector<std::string>& arguments) {
  std::vector<std::string> known;
  for (const CLI::Option* option : command.get_options())
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  for (const std::string& argument : arguments) {
    if (argument == "--") break;
    const bool number = argument.size() > 1 && argument[1] >= '0' && argument[1] <= '9';
    if (argument.size() < 2 || argument[0] != '-' || number) continue;
    const std::string name = argument.substr(0, argument.find('='));
    if (command.get_option_no_throw(name) == nullptr)
      return "unknown option " + name + suggestion(name, known);
  }
  return {};
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

// Parses and runs; throws whatever goes wrong.
void run(const Invocation& invocation) {
  const std::vector<std::string>& arguments = invocation.arguments;
  CLI::App app("Trains, prunes and measures convolutional networks on a CPU", "bonsai");
  app.set_version_flag("--version", std::string("bonsai ") + BONSAI_VERSION);
  app.require_subcommand(1);
  app.footer("`bonsai COMMAND --help` shows a command's options and examples.");
  app.option_defaults()->always_capture_default();
  Job job;
  for (const Command* command : commands) {
    CLI::App* parser = app.add_subcommand(command->name, command->summary);
    parser->footer(std::string("Examples:\n") + command->examples);
    parser->final_callback([&job, todo = command->define(*parser, invocation)] { job = todo; });
  }
  const std::vector<std::string> names = command_names();
  if (!arguments.empty() && !arguments[0].starts_with("-"))
    require_usage(std::find(names.begin(), names.end(), arguments[0]) != names.end(),
                  "unknown command '", arguments[0], "'", suggestion(arguments[0], names));
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) {  // --help, --version
      app.exit(e);
      return;
    }
    const bool named = !arguments.empty() && !arguments[0].starts_with("-");
    const CLI::App& command = named ? *app.get_subcommand(arguments[0]) : app;
    const std::string unknown =
        unknown_option(command, {arguments.begin() + (named ? 1 : 0), arguments.end()});
    throw UsageError(unknown.empty() ? std::string(e.what()) : unknown);
  }
  job();
}

int fail(int status, std::string_view what) {
  say("bonsai: " + one_line(std::string(what)));
  return status;
}

int main(const Invocation& invocation) {
  try {
    ignore_write_signals();
    blas_description();  // refuses a build that would compute nonsense
    run(invocation);
    return 0;
  } catch (const UsageError& e) {
    return fail(2, e.what());
  } catch (const Diverged& e) {
    return fail(3, e.what());
  } catch (const Stopped& e) {
    return fail(128 + e.signal, e.what());
  } catch (const std::bad_alloc&) {
    return fail(1, "out of memory");
  } catch (const std::exception& e) {
    return fail(1, e.what());
  }
}

}  // namespace
}  // namespace bonsai::app

int main(int argc, char** argv) {
  return bonsai::app::main(
      {argc > 0 ? argv[0] : "bonsai", {argv + std::min(argc, 1), argv + argc}});
}
