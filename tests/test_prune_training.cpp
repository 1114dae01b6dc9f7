// A network without some units trains as the whole network with masks does: weights, momentum,
// Adam's moments and the average of weights are cut along.
#include <cmath>
#include <map>
#include <set>

#include "compress/prune.h"
#include "layers/ema.h"
#include "layers/optim.h"
#include "tests/catch.h"
#include "tests/networks.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

constexpr float rate = 0.05F, decay = 0.9F;

// A network with its optimiser and its average.
struct Trained {
  Graph graph;
  std::unique_ptr<Optimiser> optimiser;
  Ema ema;

  Trained(Graph network, const OptimiserOptions& options)
      : graph(std::move(network)),
        optimiser(make_optimiser(graph.parameters(), options)),
        ema(graph.parameters(), decay) {}

  // One step on pictures that are the step's own; `mask`: gradients where it is 0 are dropped.
  void step(int number, Graph* mask = nullptr) {
    const Tensor x = random_pictures(graph, 4, 100 + static_cast<uint64_t>(number));
    Tape tape(Mode::training);
    tape.backward(cross_entropy(graph.forward(tape.constant(x)),
                                tape.constant(Tensor::of({4}, {0, 3, 1, 4}))));
    for (Parameter* p : graph.parameters()) {
      if (mask != nullptr && p->grad.defined()) multiply(p->grad, mask->find(p->name)->value);
    }
    optimiser->step(rate);
    ema.update(number);
    for (Parameter* p : graph.parameters()) p->grad = {};
  }

  // By "<parameter>.<what>": what the optimiser and the average keep.
  std::map<std::string, Tensor> kept() const {
    std::map<std::string, Tensor> all;
    for (const auto& [name, tensor] : optimiser->state()) all[name] = tensor;
    for (const auto& [name, tensor] : ema.state()) all[name + ".average"] = tensor;
    return all;
  }

  static void multiply(const Tensor& x, const Tensor& factors) {
    for (size_t i = 0; i < x.size(); ++i) x[i] *= factors[i];
  }
};

int value_of(const Graph& graph, const std::string& name) {
  for (size_t v = 0; v < graph.values.size(); ++v) {
    const Parameter* p = graph.values[v].parameter.get();
    if (p != nullptr && name.starts_with(p->name + ".")) return static_cast<int>(v);
  }
  return -1;
}

// The whole network's state, cut, in place of the pruned one's.
void take_over(Trained& small, const Trained& whole, const Coupling& coupling, const Keep& keep) {
  const auto all = whole.kept();
  for (auto& [name, tensor] : small.kept()) {
    const int v = value_of(whole.graph, name);
    REQUIRE(v >= 0);
    tensor.copy_from(cut(all.at(name), v, coupling, keep));
  }
  small.optimiser->set_steps(whole.optimiser->steps());
}

// 1 where a parameter stays, 0 where masked() would clear it.
Graph mask_of(Graph graph, const Coupling& coupling, const std::set<int>& gone) {
  for (Parameter* p : graph.parameters()) p->value.fill(1);
  return masked(graph, coupling, gone);
}

// The largest difference of any weight, state or average after three steps.
double difference_after_training(Network& network, const OptimiserOptions& options,
                                 bool cut_along) {
  const Graph graph = traced(network);
  const Coupling coupling = couple(graph);
  const std::set<int> gone = random_units(coupling, 21);
  Trained whole(graph, options);
  for (int i = 0; i < 2; ++i) whole.step(i);

  Keep keep;
  Trained small(prune(whole.graph, coupling, gone, &keep), options);
  if (cut_along) take_over(small, whole, coupling, keep);
  Graph mask = mask_of(graph, coupling, gone);
  for (Parameter* p : whole.graph.parameters())
    Trained::multiply(p->value, mask.find(p->name)->value);
  for (auto& [name, tensor] : whole.kept()) {
    const int v = value_of(graph, name);
    Trained::multiply(tensor, mask.values[static_cast<size_t>(v)].parameter->value);
  }

  double largest = 0;
  for (int i = 2; i < 5; ++i) {
    whole.step(i, &mask);
    small.step(i);
    for (size_t v = 0; v < graph.values.size(); ++v) {
      const Parameter* p = whole.graph.values[v].parameter.get();
      if (p == nullptr) continue;
      const Tensor left = cut(p->value, static_cast<int>(v), coupling, keep);
      largest = std::max(largest, max_abs_difference(left, small.graph.values[v].parameter->value));
    }
    const auto of_whole = whole.kept();
    for (const auto& [name, tensor] : small.kept()) {
      const Tensor left = cut(of_whole.at(name), value_of(graph, name), coupling, keep);
      largest = std::max(largest, max_abs_difference(left, tensor));
    }
  }
  return largest;
}

}  // namespace

TEST_CASE("a network with masks and the one without the units train alike, state cut along") {
  for (const OptimiserKind kind : {OptimiserKind::sgd, OptimiserKind::adam}) {
    for (const NetworkPtr& network : networks()) {
      INFO(network->name << ", optimiser " << static_cast<int>(kind));
      CHECK(difference_after_training(*network, {.kind = kind}, true) <= 1e-4);
    }
  }
}

TEST_CASE("momentum that is left behind shows") {
  for (const OptimiserKind kind : {OptimiserKind::sgd, OptimiserKind::adam})
    CHECK(difference_after_training(*residual(), {.kind = kind}, false) > 1e-3);
}
