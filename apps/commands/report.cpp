// bonsai report: draws the page of a run again from the data kept beside it.
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "apps/commands/commands.h"
#include "apps/console.h"
#include "apps/files.h"
#include "apps/report/html.h"
#include "apps/report/json.h"
#include "engine/error.h"

namespace bonsai::app {
namespace {

struct Arguments {
  std::string folder;
  bool json = false;
};

void run(const Arguments& arguments) {
  const std::filesystem::path folder = arguments.folder;
  const auto source = folder / "report.json", page = folder / "report.html";
  report::ReportData data;
  try {
    data = report::from_json(read_text(source));
  } catch (const Error& e) {
    throw Error(source.string() + ": " + e.what());
  }
  write_text(page, report::render(data));
  if (arguments.json)
    print_json({{"report", page.string()}});
  else
    print("report: " + page.string() + "\n");
}

Job define(CLI::App& parser, const Invocation&) {
  auto arguments = std::make_shared<Arguments>();
  parser.add_option("run", arguments->folder, "a run's folder, such as runs/demo")->required();
  parser.add_flag("--json", arguments->json, "print one JSON value on standard output");
  return [arguments] { run(*arguments); };
}

}  // namespace

const Command report_command = {"report", "draw a run's report again",
                                "  bonsai report runs/demo\n"
                                "  bonsai report runs/demo --json\n",
                                define};

}  // namespace bonsai::app
