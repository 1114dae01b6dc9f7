// Milliseconds of coupling and pruning graphs of 10,000 units, by how their channels are tied:
//   build/bonsai_bench --benchmark_filter=prune
// All weights are 1x1, so that the work is in the channels and not in the copies.
#include <benchmark/benchmark.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "compress/choose.h"
#include "compress/prune.h"
#include "layers/basic.h"

namespace bonsai {
namespace {

class Network : public Module {
 public:
  Var forward(Var x) override { return run_(x); }

 protected:
  Layer& block(int in, int out, int groups = 1) {
    const std::string name = "layer" + std::to_string(count_++);
    return child<ConvBnRelu>(name, in, out, 1, ConvOptions{.groups = groups}, init_);
  }
  std::function<Var(Var)> run_;

 private:
  Random init_{1, Purpose::init};
  int count_ = 0;
};

// 100 layers of 100 channels, one after the other.
struct Chain : Network {
  Chain() {
    std::vector<Layer*> layers;
    for (int i = 0; i < 100; ++i) layers.push_back(&block(i == 0 ? 3 : 100, 100));
    Layer& head = block(100, 10);
    run_ = [=, &head](Var x) {
      for (Layer* layer : layers) x = layer->forward(x);
      return head.forward(x);
    };
  }
};

// A stage of 200 channels to which 98 blocks add, each 100 wide inside.
struct Residual : Network {
  Residual() {
    Layer& stem = block(3, 200);
    std::vector<std::pair<Layer*, Layer*>> blocks;
    for (int i = 0; i < 98; ++i) blocks.emplace_back(&block(200, 100), &block(100, 200));
    Layer& head = block(200, 10);
    run_ = [=, &stem, &head](Var x) {
      x = stem.forward(x);
      for (const auto& [a, b] : blocks) x = add(x, b->forward(a->forward(x)));
      return head.forward(x);
    };
  }
};

// Four dense blocks of 50 layers of 50 channels, which each read all before them.
struct Dense : Network {
  Dense() {
    std::vector<Layer*> layers;
    for (int b = 0; b < 4; ++b) {
      layers.push_back(&block(b == 0 ? 3 : 50 * 50, 50));
      for (int i = 1; i < 50; ++i) layers.push_back(&block(50 * i, 50));
    }
    Layer& head = block(50 * 50, 10);
    run_ = [=, &head](Var x) {
      for (size_t i = 0; i < layers.size(); ++i)
        x = i % 50 == 0 ? layers[i]->forward(x) : concat({x, layers[i]->forward(x)});
      return head.forward(x);
    };
  }
};

// 50 layers of 200 channels in 4 groups, shuffled between.
struct Shuffled : Network {
  Shuffled() {
    std::vector<Layer*> layers;
    for (int i = 0; i < 50; ++i) layers.push_back(&block(i == 0 ? 3 : 200, 200, i == 0 ? 1 : 4));
    Layer& head = block(200, 10);
    run_ = [=, &head](Var x) {
      for (Layer* layer : layers) x = channel_shuffle(layer->forward(x), 4);
      return head.forward(x);
    };
  }
};

template <class Net>
const Graph& graph_of() {
  static const Graph graph = [] {
    Net net;
    return trace(net, {1, 1, 1, 3});
  }();
  return graph;
}

template <class Net>
void couple_it(benchmark::State& state) {
  const Graph& graph = graph_of<Net>();
  size_t units = 0;
  for (auto _ : state) {
    const Coupling coupling = couple(graph);
    units = coupling.units.size();
    benchmark::DoNotOptimize(coupling.units.data());
  }
  state.counters["units"] = static_cast<double>(units);
}

// Scoring, choosing half of every layer, cutting.
template <class Net>
void prune_it(benchmark::State& state) {
  const Graph& graph = graph_of<Net>();
  const Coupling coupling = couple(graph);
  for (auto _ : state) {
    const Scores scores = l1_norm(graph, coupling);
    const Graph small = prune(graph, coupling, choose(graph, coupling, scores, {.keep = 0.5}));
    benchmark::DoNotOptimize(small.values.data());
  }
}

template <class Net>
bool add(const std::string& name) {
  benchmark::RegisterBenchmark(("couple/" + name).c_str(), couple_it<Net>)
      ->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark(("prune/" + name).c_str(), prune_it<Net>)
      ->Unit(benchmark::kMillisecond);
  return true;
}

const bool added = add<Chain>("chain") && add<Residual>("residual") && add<Dense>("dense") &&
                   add<Shuffled>("shuffled");

}  // namespace
}  // namespace bonsai
