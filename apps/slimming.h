// What `slim` drives to zero and then takes out: channels, or whole residual blocks and groups of
// convolutions; by which penalty, how much of it goes, and what a cut would leave.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "compress/cliff.h"
#include "compress/criterion.h"
#include "engine/graph.h"
#include "layers/penalty.h"

namespace CLI {
class App;
}

namespace bonsai::app {

struct SlimmingArguments {
  std::string penalty = "l1";
  double strength = 1e-3;
  std::optional<double> part;  // of all channels or structures, to remove
  std::string target;          // "macs=0.5"
  // Of channels alone:
  std::optional<double> floor;  // by default 0.1
  std::optional<int> round_to;  // by default 1
};
void add_slimming(CLI::App& parser, SlimmingArguments& arguments);
// Throws UsageError on what is out of range or does not go together.
void check(const SlimmingArguments& arguments);

class Slimming {
 public:
  virtual ~Slimming() = default;

  virtual std::string what() const = 0;      // "channels"
  virtual std::string cut_text() const = 0;  // what will go, in words
  // Where ranges of scores end that tell weak from strong, from 0 up.
  virtual std::vector<double> score_ranges() const = 0;

  // The network that is trained: with factors where it has none to drive to zero.
  virtual Graph prepared(const Graph& graph) const = 0;
  // Of a prepared graph, which must outlive it. `fresh`: it was never trained.
  virtual std::unique_ptr<Penalty> penalty(Graph& graph, bool fresh) const = 0;

  // Of a prepared graph, trained: a score per channel or structure; what a cut would leave; and the
  // cut itself, without factors.
  virtual Scores scores(Graph& graph) const = 0;
  virtual std::vector<CliffPoint> cliff(Graph& graph, const Judge& judge,
                                        std::span<const Batch> calibration,
                                        const CliffOptions& options) const = 0;
  virtual Graph cut(Graph& graph) const = 0;
};

// For these arguments, which must outlive it.
std::unique_ptr<Slimming> slimming(const SlimmingArguments& arguments);

// Of channels, and of the structures that penalties name: parts of slimming().
std::unique_ptr<Slimming> channel_slimming(const SlimmingArguments& arguments);
std::unique_ptr<Slimming> structure_slimming(const SlimmingArguments& arguments);

}  // namespace bonsai::app
