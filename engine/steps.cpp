#include "engine/steps.h"

#include <algorithm>
#include <map>
#include <utility>

namespace bonsai {
namespace {

// Extends the step that makes input `which` of the node, and nothing else; false when it cannot.
bool extend(TapeStep& step, const Node& node, size_t which,
            const std::function<const Shape&(int value)>& shape_of) {
  OpPtr both = step.op->followed_by(*node.op, which);
  if (both == nullptr) return false;
  std::vector<int> in = step.in;
  for (size_t i = 0; i < node.in.size(); ++i) {
    if (i != which) in.push_back(node.in[i]);
  }
  std::vector<Shape> shapes;
  for (const int v : in) shapes.push_back(shape_of(v));
  if (both->infer(shapes) != shape_of(node.out)) return false;
  step.op = std::move(both);
  step.in = std::move(in);
  step.out = node.out;
  return true;
}

// Who reads which value, where it is read once.
class Readers {
 public:
  Readers(std::span<const Node> nodes, size_t first,
          const std::function<bool(int value)>& is_visible)
      : nodes_(nodes), is_visible_(is_visible) {
    for (size_t n = first; n < nodes.size(); ++n) {
      for (const int v : nodes[n].in) readings_[v].push_back(n);
    }
  }

  // The only one of a value that nobody else asks for; null otherwise.
  const Node* only(int v) const {
    const auto all = readings_.find(v);
    const bool one = all != readings_.end() && all->second.size() == 1 && !is_visible_(v);
    return one ? &nodes_[all->second[0]] : nullptr;
  }

 private:
  std::span<const Node> nodes_;
  const std::function<bool(int value)>& is_visible_;
  std::map<int, std::vector<size_t>> readings_;
};

// Whether the node, a batch norm, is better computed with what follows it than with what precedes
// it: when a convolution follows, which needs no more of the result than a block at a time.
bool leads_on(const Node& node, const Readers& readers) {
  OpPtr op = node.op;
  int v = node.out;
  while (op != nullptr && !op->gives_moments()) {
    const Node* reader = readers.only(v);
    if (reader == nullptr) return false;
    const auto which = std::find(reader->in.begin(), reader->in.end(), v) - reader->in.begin();
    op = op->followed_by(*reader->op, static_cast<size_t>(which));
    v = reader->out;
  }
  return op != nullptr;
}

// Leaves the moments of its result to the node, if that wants to go on without it.
bool leave_to(TapeStep& step, const Node& node, const Readers& readers) {
  if (!node.op->takes_moments() || node.in[0] != step.out) return false;
  OpPtr giving = step.op->gives_moments() ? step.op : step.op->giving_moments();
  if (giving == nullptr || !leads_on(node, readers)) return false;
  step.op = std::move(giving);
  return true;
}

}  // namespace

std::vector<TapeStep> plan_steps(std::span<const Node> nodes, size_t first,
                                 const std::function<bool(int value)>& is_visible,
                                 const std::function<const Shape&(int value)>& shape_of) {
  const Readers readers(nodes, first, is_visible);
  std::vector<TapeStep> steps;  // by node; one without an operation has become part of a later one
  std::map<int, size_t> maker;
  for (size_t n = first; n < nodes.size(); ++n) {
    const Node& node = nodes[n];
    TapeStep step{.op = node.op, .in = node.in, .out = node.out};
    for (size_t i = 0; i < node.in.size(); ++i) {
      const auto before = maker.find(node.in[i]);
      if (before == maker.end() || readers.only(node.in[i]) == nullptr) continue;
      TapeStep& earlier = steps[before->second];
      if (leave_to(earlier, node, readers) || !extend(earlier, node, i, shape_of)) continue;
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

std::set<int> plan_joined(std::span<const TapeStep> steps,
                          const std::function<bool(int value)>& is_visible) {
  std::set<int> joined;
  for (const TapeStep& step : steps) {
    if (step.op->joins_inputs() && !is_visible(step.out)) joined.insert(step.out);
    for (size_t i = 0; i < step.in.size(); ++i) {
      if (!step.op->takes_parts(i)) joined.erase(step.in[i]);
    }
  }
  return joined;
}

}  // namespace bonsai
