// Predicted against measured milliseconds of one picture, of networks of half the channels, where
// predictions were calibrated on the whole network as the controller does it:
//   build/bonsai_bench --benchmark_filter=prediction
#include <benchmark/benchmark.h>

#include <array>
#include <string>
#include <vector>

#include "compress/choose.h"
#include "compress/latency.h"
#include "compress/layer_times.h"
#include "compress/prune.h"
#include "zoo/zoo.h"

namespace bonsai {
namespace {

void predict(benchmark::State& state, const std::string& name) {
  const Graph graph = trace(*zoo::make(name), {1, 32, 32, 3});
  const Coupling coupling = couple(graph);
  const Scores scores = l1_norm(graph, coupling);
  const Graph half =
      prune(graph, coupling, choose(graph, coupling, scores, {.keep = 0.5, .round_to = 8}));
  for (auto _ : state) {
    const std::array<const Graph*, 2> both = {&graph, &half};
    const std::vector<Latency> latencies = measure_latencies(both);
    LayerTimes times;
    times.calibrate(graph, latencies[0].median_ms);
    const double predicted = times.predict(half), measured = latencies[1].median_ms;
    state.counters["whole_ms"] = times.predict(graph);
    state.counters["predicted_ms"] = predicted;
    state.counters["measured_ms"] = measured;
    state.counters["off_percent"] = 100 * (predicted / measured - 1);
  }
}

const bool added = [] {
  for (const char* name : {"vgg_small", "resnet20", "mobilenet", "shufflenet", "densenet40"})
    benchmark::RegisterBenchmark((std::string("prediction/") + name).c_str(), predict, name)
        ->Iterations(1)
        ->Unit(benchmark::kMillisecond);
  return true;
}();

}  // namespace
}  // namespace bonsai
