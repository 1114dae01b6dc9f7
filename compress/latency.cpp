#include "compress/latency.h"

#include <algorithm>
#include <chrono>
#include <memory>

#include "compress/thread_count.h"
#include "engine/error.h"
#include "engine/random.h"
#include "engine/session.h"

namespace bonsai {
namespace {

constexpr int runs_per_turn = 5;  // counted ones

// A session with its input and output.
struct Runner {
  Session session;
  std::vector<float> x, y;

  Runner(const Graph& graph, int batch)
      : session(graph, {.batch = batch}),
        x(element_count(session.input_shape())),
        y(element_count(session.output_shape())) {
    Random random(1, Purpose::test);
    for (float& value : x) value = random.normal();
  }
  void run() { session.run(x.data(), y.data()); }
};

double milliseconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(now).count();
}

}  // namespace

Latency summarize(std::vector<double> times) {
  if (times.empty()) return {};
  std::sort(times.begin(), times.end());
  const size_t n = times.size(), middle = n / 2;
  const double median = n % 2 == 1 ? times[middle] : (times[middle - 1] + times[middle]) / 2;
  return {.median_ms = median, .p90_ms = times[(9 * n + 9) / 10 - 1], .runs = static_cast<int>(n)};
}

std::vector<Latency> take_turns(std::span<const std::function<void()>> jobs,
                                const LatencyOptions& options,
                                const std::function<double()>& clock) {
  const double most = 1000 * options.seconds * static_cast<double>(jobs.size());
  std::vector<std::vector<double>> times(jobs.size());
  const double start = clock();
  for (int runs = 0; !jobs.empty(); runs += runs_per_turn) {
    const double spent = clock() - start;
    if (runs > 0 && (spent >= most || (runs >= options.runs && spent >= most / 4))) break;
    for (size_t j = 0; j < jobs.size(); ++j) {
      jobs[j]();
      for (int run = 0; run < runs_per_turn; ++run) {
        const double before = clock();
        jobs[j]();
        times[j].push_back(clock() - before);
      }
    }
  }
  std::vector<Latency> latencies;
  latencies.reserve(times.size());
  for (std::vector<double>& list : times) latencies.push_back(summarize(std::move(list)));
  return latencies;
}

std::vector<Latency> measure_latencies(std::span<const Graph* const> graphs,
                                       const LatencyOptions& options) {
  require(options.batch >= 1, "latency: batch is ", options.batch, ", should be at least 1");
  require(options.threads >= 1, "latency: threads is ", options.threads, ", should be at least 1");
  require(options.runs >= 1 && options.seconds > 0, "latency: runs and seconds are ", options.runs,
          " and ", options.seconds, ", should be above 0");
  const ThreadCount threads(options.threads);
  std::vector<std::unique_ptr<Runner>> runners;
  std::vector<std::function<void()>> jobs;
  for (const Graph* graph : graphs) {
    runners.push_back(std::make_unique<Runner>(*graph, options.batch));
    Runner* runner = runners.back().get();
    jobs.emplace_back([runner] { runner->run(); });
    for (int run = 0; run < 3; ++run) runner->run();  // pages, threads and frequency wake up
  }
  return take_turns(jobs, options, milliseconds);
}

Latency measure_latency(const Graph& graph, const LatencyOptions& options) {
  const Graph* const one[] = {&graph};
  return measure_latencies(one, options).front();
}

}  // namespace bonsai
