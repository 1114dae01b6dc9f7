#include "apps/slimming.h"

#include <CLI/CLI.hpp>

#include "apps/options.h"
#include "apps/usage.h"

namespace bonsai::app {
namespace {

bool of_structures(const SlimmingArguments& arguments) {
  return arguments.penalty == "blocks" || arguments.penalty == "conv-groups";
}

}  // namespace

void add_slimming(CLI::App& parser, SlimmingArguments& arguments) {
  parser.add_option("--penalty", arguments.penalty,
                    "l1: on batch norm's factors, as published; proximal: the same with exact "
                    "zeros; group: on all that belongs to a channel, for residual networks; apg: "
                    "as proximal, by accelerated steps; blocks: on a factor per residual block; "
                    "conv-groups: on one per group of grouped convolutions");
  parser
      .add_option("--lambda", arguments.strength,
                  "strength of the penalty; 1e-4 drives VGG apart in 160 epochs, short trainings "
                  "need more")
      ->check(CLI::NonNegativeNumber);
  auto* part = parser.add_option("--part", arguments.part,
                                 "part of all channels to remove, by default 0.5; of blocks and "
                                 "conv-groups: those at zero");
  parser
      .add_option("--target", arguments.target,
                  "what is left of the whole, instead of --part: macs=0.5 or params=0.3")
      ->excludes(part);
  parser
      .add_option("--floor", arguments.floor,
                  "part of its channels that every layer keeps, by default 0.1")
      ->check(CLI::Range(0.0, 1.0));
  parser
      .add_option(
          "--round-to", arguments.round_to,
          "layers keep a multiple of so many channels; by default 1: those above the threshold")
      ->check(CLI::Range(1, 1024));
}

void check(const SlimmingArguments& arguments) {
  require_one_of("--penalty", arguments.penalty,
                 {"l1", "proximal", "group", "apg", "blocks", "conv-groups"});
  if (!arguments.target.empty())
    require_one_of("--target", parse_ratio("--target", arguments.target).first, {"macs", "params"});
  require_usage(!arguments.part || (*arguments.part >= 0 && *arguments.part < 1), "--part is ",
                arguments.part.value_or(0), ", should be at least 0 and below 1");
  require_usage(!of_structures(arguments) || arguments.target.empty(),
                "--target: ", arguments.penalty,
                " go when their factor is zero, or as many as --part says");
  require_usage(!of_structures(arguments) || (!arguments.floor && !arguments.round_to),
                "--floor and --round-to are for channels, not for ", arguments.penalty);
}

std::unique_ptr<Slimming> slimming(const SlimmingArguments& arguments) {
  return of_structures(arguments) ? structure_slimming(arguments) : channel_slimming(arguments);
}

}  // namespace bonsai::app
