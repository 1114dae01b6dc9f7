// Runs a network over the same pictures again and again, each time a little further: layers are
// changed one after the other, front to back, and what lies before the changed layer is computed
// anew for every one of them. So the values at a place before which nothing changes any more are
// kept, where they fit (after a few poolings they do), and the next run starts from there.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <vector>

#include "data/dataset.h"
#include "engine/ceil_div.h"
#include "engine/graph.h"

namespace bonsai {

// Pictures as a network takes them, read a few at a time.
struct Pictures {
  int count = 0;
  std::function<Tensor(int first, int n)> read;  // [n, H, W, C]
};

// A seeded sample of `count` pictures (0, or more than there are: all), normalised by mean and
// deviation on values 0 .. 1. `images` stays the caller's and must outlive the result.
Pictures sample_pictures(const Images& images, const std::array<float, 3>& mean,
                         const std::array<float, 3>& deviation, int count, uint64_t seed);

class Rerun {
 public:
  // Graph and pictures are the caller's; the graph's parameters may change between runs. At most
  // `bytes` of values are kept (twice that until advance()), and pictures run `batch` at a time:
  // all batches, from the first to the last, again and again.
  Rerun(const Graph& graph, const Pictures& pictures, int batch, size_t bytes);

  int batches() const { return ceil_div(pictures_.count, batch_); }

  // Says that nodes before `node` will not change any more, and neither will what they compute.
  void settle(int node);

  // The values with these numbers for one batch, in inference mode; good until advance().
  std::vector<Tensor> run(int batch, std::span<const int> values);

  // After every batch has run: from now on runs begin where the network was settled.
  void advance();

 private:
  // Values of all pictures before a node, each in one piece of memory: many smaller ones, freed
  // and taken again, would leave holes.
  struct Kept {
    int node = 0;                       // the first that has not been run
    std::map<int, Tensor> values = {};  // that it and later ones read; empty: begin with pictures
    int batches = 0;                    // whose values are there
  };
  std::vector<int> live_at(int node) const;
  size_t bytes_at(int node) const;
  Tensor part(const Tensor& all, int batch) const;  // a view
  std::vector<Tensor> beginning(int batch) const;
  void keep(const std::vector<Tensor>& held, int batch);

  const Graph& graph_;
  const Pictures& pictures_;
  int batch_;
  size_t bytes_;
  std::vector<int> maker_;      // per value: its node; -1: none
  std::vector<int> last_read_;  // per value: the last node that reads it; -1: none
  Kept kept_;                   // where runs begin
  Kept next_;                   // where they will begin when it is complete
};

// How many pictures to run at a time so that no value of the graph exceeds 16 MiB.
int rerun_batch(const Graph& graph);

}  // namespace bonsai
