#include "compress/measure.h"

#include <vector>

#include "engine/cost.h"
#include "engine/file.h"
#include "engine/parallel.h"
#include "engine/session.h"
#include "engine/text.h"

namespace bonsai {
namespace {

using Row = std::vector<std::string>;  // figure, before, after, change

// Three significant digits: 0.123, 1.23, 12.3, 123.
std::string three_digits(double value) {
  return fixed(value, value < 1 ? 3 : value < 10 ? 2 : value < 100 ? 1 : 0);
}

std::string part(double before, double after) {
  return before > 0 ? fixed(100 * after / before, 1) + " %" : "";
}

Row count_row(const char* figure, int64_t before, int64_t after) {
  return {figure, grouped(before), grouped(after),
          part(static_cast<double>(before), static_cast<double>(after))};
}

Row latency_row(const std::string& figure, double before, double after) {
  const std::string change = after > 0 ? fixed(before / after, 2) + "x quicker" : "";
  return {figure, three_digits(before) + " ms", three_digits(after) + " ms", change};
}

void add_latency(std::vector<Row>& rows, const std::string& threads, const Latency& before,
                 const Latency& after) {
  if (before.runs == 0 || after.runs == 0) return;  // not measured
  rows.push_back(latency_row("latency, " + threads, before.median_ms, after.median_ms));
  rows.push_back(latency_row("  90 % within", before.p90_ms, after.p90_ms));
}

std::vector<Measurement> measure_all(const std::vector<const Graph*>& graphs,
                                     LatencyOptions latency) {
  std::vector<Measurement> all;
  all.reserve(graphs.size());
  for (const Graph* graph : graphs) all.push_back(count(*graph));
  const int threads = thread_count();
  latency.threads = 1;
  const std::vector<Latency> one = measure_latencies(graphs, latency);
  latency.threads = threads;
  const std::vector<Latency> several = threads > 1 ? measure_latencies(graphs, latency) : one;
  for (size_t i = 0; i < all.size(); ++i) {
    all[i].one_thread = one[i];
    all[i].all_threads = several[i];
    all[i].threads = threads;
  }
  return all;
}

}  // namespace

int64_t file_bytes(const Graph& graph) {
  TensorFile content;
  put_graph(content, graph);
  return static_cast<int64_t>(tensor_file_bytes(content));
}

Measurement count(const Graph& graph) {
  const Cost cost = total_cost(graph);
  return {.params = cost.params,
          .macs = cost.macs,
          .file_bytes = file_bytes(graph),
          .activation_bytes = peak_activation_bytes(graph),
          .one_thread = {},
          .all_threads = {}};
}

Measurement measure(const Graph& graph, const LatencyOptions& latency) {
  return measure_all({&graph}, latency).front();
}

Comparison compare(const Graph& before, const Graph& after, const LatencyOptions& latency) {
  const std::vector<Measurement> both = measure_all({&before, &after}, latency);
  return {.before = both[0], .after = both[1]};
}

std::string table(const Comparison& comparison) {
  const auto& [before, after] = comparison;
  std::vector<Row> rows = {{"", "before", "after", ""}};
  rows.push_back(count_row("parameters", before.params, after.params));
  rows.push_back(count_row("multiply-adds", before.macs, after.macs));
  rows.push_back(count_row("file, bytes", before.file_bytes, after.file_bytes));
  rows.push_back(count_row("activations, bytes", before.activation_bytes, after.activation_bytes));
  add_latency(rows, "1 thread", before.one_thread, after.one_thread);
  if (after.threads > 1) {
    add_latency(rows, std::to_string(after.threads) + " threads", before.all_threads,
                after.all_threads);
  }
  if (before.accuracy && after.accuracy) {
    const double change = 100 * (*after.accuracy - *before.accuracy);
    rows.push_back({"accuracy", fixed(100 * *before.accuracy, 2) + " %",
                    fixed(100 * *after.accuracy, 2) + " %",
                    (change < 0 ? "" : "+") + fixed(change, 2) + " points"});
  }
  return text_table(rows);
}

}  // namespace bonsai
