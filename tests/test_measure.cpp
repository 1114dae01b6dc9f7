#include "compress/measure.h"

#include <filesystem>
#include <string>

#include "compress/choose.h"
#include "compress/prune.h"
#include "engine/file.h"
#include "engine/parallel.h"
#include "engine/session.h"
#include "tests/catch.h"
#include "tests/networks.h"
#include "tests/temporary_folder.h"

using namespace bonsai;
using namespace bonsai::testing;

TEST_CASE("the length of a model file is known without writing it") {
  const TemporaryFolder folder;
  const std::string path = folder / "network.bonsai";
  for (const NetworkPtr& network : networks()) {
    INFO(network->name);
    const Graph graph = traced(*network);
    save(path, graph);
    CHECK(file_bytes(graph) == static_cast<int64_t>(std::filesystem::file_size(path)));
  }
}

TEST_CASE("a comparison counts and measures both sides") {
  const Graph graph = traced(*chain());
  const Coupling coupling = couple(graph);
  const Graph small =
      prune(graph, coupling, choose(graph, coupling, l1_norm(graph, coupling), {.keep = 0.5}));
  const Comparison c = compare(graph, small, {.runs = 5, .seconds = 0.001});
  CHECK(c.before.params == total_cost(graph).params);
  CHECK(c.after.macs == total_cost(small).macs);
  CHECK(c.after.file_bytes < c.before.file_bytes);
  CHECK(c.before.activation_bytes == peak_activation_bytes(graph));
  CHECK(c.after.activation_bytes < c.before.activation_bytes);
  CHECK(c.before.threads == thread_count());
  CHECK(c.before.one_thread.runs >= 5);
  CHECK(c.after.all_threads.runs >= 5);
  CHECK_FALSE(c.before.accuracy);
  CHECK(measure(small, {.runs = 5, .seconds = 0.001}).params == c.after.params);
}

TEST_CASE("the table is for people") {
  Comparison c;
  c.before = {.params = 287'242,
              .macs = 39'000'000,
              .file_bytes = 1'155'000,
              .activation_bytes = 262'144,
              .one_thread = {.median_ms = 1.2, .p90_ms = 1.5, .runs = 50},
              .all_threads = {.median_ms = 0.8, .p90_ms = 12, .runs = 50},
              .threads = 2,
              .accuracy = 0.9123};
  c.after = {.params = 143'621,
             .macs = 19'500'000,
             .file_bytes = 580'000,
             .activation_bytes = 131'072,
             .one_thread = {.median_ms = 0.6, .p90_ms = 0.7, .runs = 50},
             .all_threads = {.median_ms = 0.4, .p90_ms = 4, .runs = 50},
             .threads = 2,
             .accuracy = 0.9101};
  CHECK(table(c) ==
        "                        before       after\n"
        "parameters             287,242     143,621         50.0 %\n"
        "multiply-adds       39,000,000  19,500,000         50.0 %\n"
        "file, bytes          1,155,000     580,000         50.2 %\n"
        "activations, bytes     262,144     131,072         50.0 %\n"
        "latency, 1 thread      1.20 ms    0.600 ms  2.00x quicker\n"
        "  90 % within          1.50 ms    0.700 ms  2.14x quicker\n"
        "latency, 2 threads    0.800 ms    0.400 ms  2.00x quicker\n"
        "  90 % within          12.0 ms     4.00 ms  3.00x quicker\n"
        "accuracy               91.23 %     91.01 %   -0.22 points\n");
  c.after.accuracy.reset();  // no data: no row
  c.after.all_threads = {};
  CHECK_FALSE(contains(table(c), "accuracy"));
  CHECK_FALSE(contains(table(c), "2 threads"));
}
