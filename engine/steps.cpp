#include "engine/steps.h"

#include <set>
#include <utility>

namespace bonsai {
namespace {

// Extends the step that makes input `which` of the node, and nothing else; false when it cannot.
bool extend(TapeStep& step, const Node& node, size_t which) {
  OpPtr both = step.op->followed_by(*node.op, which);
  if (both == nullptr) return false;
  step.op = std::move(both);
  for (size_t i = 0; i < node.in.size(); ++i) {
    if (i != which) step.in.push_back(node.in[i]);
  }
  step.out = node.out;
  return true;
}

}  // namespace

std::vector<TapeStep> plan_steps(std::span<const Node> nodes, size_t first,
                                 const std::function<bool(int value)>& is_visible) {
  std::map<int, int> readings;
  for (size_t n = first; n < nodes.size(); ++n) {
    for (const int v : nodes[n].in) ++readings[v];
  }
  std::vector<TapeStep> steps;  // by node; one without an operation has become part of a later one
  std::map<int, size_t> maker;
  for (size_t n = first; n < nodes.size(); ++n) {
    const Node& node = nodes[n];
    TapeStep step{.op = node.op, .in = node.in, .out = node.out};
    for (size_t i = 0; i < node.in.size(); ++i) {
      const auto before = maker.find(node.in[i]);
      if (before == maker.end() || readings[node.in[i]] > 1 || is_visible(node.in[i])) continue;
      TapeStep& earlier = steps[before->second];
      if (!extend(earlier, node, i)) continue;
      step = std::exchange(earlier, {});
      break;
    }
    step.nodes.push_back(static_cast<int>(n));
    maker[node.out] = steps.size();
    steps.push_back(std::move(step));
  }
  std::erase_if(steps, [](const TapeStep& step) { return step.op == nullptr; });
  return steps;
}

std::map<int, int> plan_hosts(std::span<const TapeStep> steps,
                              const std::function<bool(int value)>& is_visible) {
  std::set<int> movable;  // results of concats, as long as nothing speaks against it
  std::map<int, int> hosts;
  for (const TapeStep& step : steps) {
    if (step.op->extends_input() && !is_visible(step.out)) movable.insert(step.out);
    for (size_t i = 0; i < step.in.size(); ++i) {
      const int v = step.in[i];
      const bool extends = i == 0 && step.op->extends_input();
      if (!step.op->takes_columns(i) || (extends && hosts.count(v) > 0)) movable.erase(v);
      if (extends && movable.count(v) > 0) hosts.emplace(v, step.out);
    }
  }
  std::erase_if(hosts, [&](const auto& entry) { return movable.count(entry.first) == 0; });
  return hosts;
}

}  // namespace bonsai
