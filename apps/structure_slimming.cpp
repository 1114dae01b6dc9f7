// Slimming of what goes as a whole, by a factor of its own: Huang and Wang 2018, Sparse Structure
// Selection, of residual blocks and of groups of convolutions.
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <string>

#include "apps/console.h"
#include "apps/report/text.h"
#include "apps/slimming.h"
#include "compress/block_scales.h"
#include "compress/conv_group_scales.h"
#include "engine/error.h"

namespace bonsai::app {
namespace {

struct Kind {
  std::string penalty, what;
  Graph (*with_scales)(const Graph& graph);
  std::vector<Structure> (*structures)(Graph& graph);
  Graph (*without)(const Graph& graph, const std::vector<std::string>& names);
  bool may_empty;  // all that share a tensor of factors may go
};

const std::vector<Kind> kinds = {
    {"blocks", "residual blocks", with_block_scales, block_scales, without_blocks, true},
    {"conv-groups", "groups of convolutions", with_conv_group_scales, conv_group_scales,
     without_conv_groups, false}};

const Kind& find_kind(const std::string& penalty) {
  return *std::find_if(kinds.begin(), kinds.end(),
                       [&](const Kind& kind) { return kind.penalty == penalty; });
}

class StructureSlimming : public Slimming {
 public:
  explicit StructureSlimming(const SlimmingArguments& arguments)
      : arguments_(arguments), kind_(find_kind(arguments.penalty)) {}

  std::string what() const override { return kind_.what; }

  std::string cut_text() const override {
    if (!arguments_.part) return "the " + kind_.what + " whose factor is zero";
    return join(report::percent(*arguments_.part, 0), " of all ", kind_.what, ", the lowest");
  }

  std::vector<double> score_ranges() const override {
    return {0, 0.001, 0.01, 0.03, 0.1, 0.2, 0.4, 0.8};
  }

  Graph prepared(const Graph& graph) const override { return kind_.with_scales(graph); }

  std::unique_ptr<Penalty> penalty(Graph& graph, bool /*fresh*/) const override {
    return std::make_unique<StructureSelection>(factors_of(kind_.structures(graph)),
                                                static_cast<float>(arguments_.strength));
  }

  Scores scores(Graph& graph) const override {
    Scores factors;
    for (const Structure& structure : kind_.structures(graph))
      factors.push_back(std::abs(structure.factor()));
    return factors;
  }

  std::vector<CliffPoint> cliff(Graph& graph, const Judge& judge,
                                std::span<const Batch> calibration,
                                const CliffOptions& options) const override {
    const std::vector<std::string> order = removable(graph);
    const auto without = [&](int count) {
      return kind_.without(graph, {order.begin(), order.begin() + count});
    };
    return measure_structure_cliff(graph, static_cast<int>(kind_.structures(graph).size()),
                                   static_cast<int>(order.size()), without, judge, calibration,
                                   options);
  }

  Graph cut(Graph& graph) const override {
    std::vector<std::string> order = removable(graph);
    const Scores all = scores(graph);
    const auto zeros = static_cast<size_t>(std::count(all.begin(), all.end(), 0.0));
    say(join(zeros, " of ", all.size(), " ", kind_.what, " have a factor of zero"));
    if (arguments_.part) {
      const double wanted = *arguments_.part * static_cast<double>(all.size());
      order.resize(std::min(order.size(), static_cast<size_t>(wanted + 1e-6)));
    } else {
      std::set<std::string> zero;
      for (const Structure& structure : kind_.structures(graph))
        if (structure.factor() == 0) zero.insert(structure.name);
      std::erase_if(order, [&](const std::string& name) { return zero.count(name) == 0; });
    }
    return kind_.without(graph, order);
  }

 private:
  // By name, the lowest factor first. Of those that share a tensor the highest stays where a layer
  // would be empty without it.
  std::vector<std::string> removable(Graph& graph) const {
    const std::vector<Structure> structures = kind_.structures(graph);
    std::vector<size_t> order(structures.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return std::abs(structures[a].factor()) < std::abs(structures[b].factor());
    });
    std::map<const Parameter*, size_t> left;
    for (const Structure& structure : structures) ++left[structure.numbers];
    std::vector<std::string> names;
    for (const size_t i : order) {
      size_t& others = left[structures[i].numbers];
      if (others == 1 && !kind_.may_empty) continue;
      --others;
      names.push_back(structures[i].name);
    }
    return names;
  }

  const SlimmingArguments& arguments_;
  const Kind& kind_;
};

}  // namespace

std::unique_ptr<Slimming> structure_slimming(const SlimmingArguments& arguments) {
  return std::make_unique<StructureSlimming>(arguments);
}

}  // namespace bonsai::app
