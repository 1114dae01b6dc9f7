// What a network is worth and what it costs, and two networks side by side: the answer to "what
// did compression bring?". Everything is counted or measured, nothing estimated.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "compress/latency.h"

namespace bonsai {

struct Measurement {
  int64_t params = 0;            // trainable numbers
  int64_t macs = 0;              // multiply-accumulates per image
  int64_t file_bytes = 0;        // of the saved model
  int64_t activation_bytes = 0;  // held at once for one image, weights apart
  Latency one_thread, all_threads;
  int threads = 1;                      // how many "all" are
  std::optional<double> accuracy = {};  // the caller's, who has the data
};

struct Comparison {
  Measurement before, after;
};

// Counts only: no latency.
Measurement count(const Graph& graph);

// `latency.threads` is not used: latency is measured on 1 thread and on thread_count().
Measurement measure(const Graph& graph, const LatencyOptions& latency = {});
// Both at once, their runs in turns.
Comparison compare(const Graph& before, const Graph& after, const LatencyOptions& latency = {});

// How long the file of save(path, graph) is.
int64_t file_bytes(const Graph& graph);

// For the terminal: a row per figure, before, after, and what became of it.
std::string table(const Comparison& comparison);

}  // namespace bonsai
