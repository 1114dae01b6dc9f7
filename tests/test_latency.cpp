#include "compress/latency.h"

#include <string>

#include "engine/parallel.h"
#include "tests/catch.h"
#include "tests/networks.h"

using namespace bonsai;
using namespace bonsai::testing;

TEST_CASE("median and 90th percentile of literal times") {
  CHECK(summarize({}).runs == 0);
  CHECK(summarize({3}).median_ms == 3);
  CHECK(summarize({3}).p90_ms == 3);
  CHECK(summarize({4, 1, 2, 3}).median_ms == 2.5);
  const Latency ten = summarize({10, 9, 8, 7, 6, 5, 4, 3, 2, 1});
  CHECK(ten.median_ms == 5.5);
  CHECK(ten.p90_ms == 9);
  CHECK(ten.runs == 10);
  CHECK(summarize({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}).p90_ms == 10);  // 10 of 11 are over 90 %
}

namespace {

// Two jobs on a clock that only they move: "a" takes 2 ms and "b" 3.
struct Turns {
  double now = 0;
  std::string order;
  std::vector<Latency> latencies;

  explicit Turns(const LatencyOptions& options) {
    const std::vector<std::function<void()>> jobs = {[&] { now += 2, order += 'a'; },
                                                     [&] { now += 3, order += 'b'; }};
    latencies = take_turns(jobs, options, [&] { return now; });
  }
};

}  // namespace

TEST_CASE("networks take turns, and the first run of a turn is not counted") {
  const Turns turns({.runs = 10, .seconds = 0.01});
  CHECK(turns.order.substr(0, 12) == "aaaaaabbbbbb");
  REQUIRE(turns.latencies.size() == 2);
  CHECK(turns.latencies[0].median_ms == 2);
  CHECK(turns.latencies[1].median_ms == 3);
  CHECK(turns.latencies[0].runs == turns.latencies[1].runs);
  CHECK(turns.latencies[0].runs * 6 == 5 * static_cast<int>(turns.order.size()) / 2);
}

TEST_CASE("measuring ends when there are enough runs, or when time is up") {
  // A turn of both takes 30 ms.
  CHECK(Turns({.runs = 50, .seconds = 1}).latencies[0].runs == 85);    // 510 ms: a quarter of 2 s
  CHECK(Turns({.runs = 50, .seconds = 0.1}).latencies[0].runs == 35);  // 210 ms: all of 0.2 s
  CHECK(Turns({.runs = 50, .seconds = 0.2}).latencies[0].runs == 50);  // 300 ms
  CHECK(Turns({.runs = 1, .seconds = 0.001}).latencies[0].runs == 5);  // one turn in any case
  CHECK(take_turns({}, {}, [] { return 0.0; }).empty());
}

TEST_CASE("measuring restores the number of threads and refuses nonsense") {
  const Graph graph = traced(*chain());
  const int before = thread_count();
  const Latency latency = measure_latency(graph, {.threads = 3, .runs = 5, .seconds = 0.001});
  CHECK(thread_count() == before);
  CHECK(latency.runs >= 5);
  CHECK(latency.median_ms <= latency.p90_ms);
  CHECK(contains(complaint([&] { measure_latency(graph, {.batch = 0}); }), "batch is 0"));
  CHECK(contains(complaint([&] { measure_latency(graph, {.threads = 0}); }), "threads is 0"));
  CHECK(contains(complaint([&] { measure_latency(graph, {.runs = 0}); }), "runs"));
  CHECK(thread_count() == before);
}
