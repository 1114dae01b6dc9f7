// Session: runs a network and does nothing else. Everything that can be done once is done in the
// constructor: the graph is rewritten for inference, all values get their place in one arena, and
// every node gets views of what it reads and writes and its weights packed. run() allocates
// nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/graph.h"
#include "engine/step_observer.h"

namespace bonsai {

struct SessionOptions {
  int batch = 1;
};

class Session {
 public:
  explicit Session(Graph graph, const SessionOptions& options = {});

  // x: `batch` inputs, y: `batch` outputs, densely. One caller at a time.
  // `observer`, if any, is told what each node costs; naming them for it allocates.
  void run(const float* x, float* y, StepObserver* observer = nullptr);

  const Graph& graph() const { return graph_; }  // as it is run; value numbers are the original's
  const Shape& input_shape() const { return graph_.input_shape(); }  // with the batch
  const Shape& output_shape() const { return graph_.output_shape(); }
  size_t arena_bytes() const { return arena_bytes_; }

 private:
  struct Step {
    OpPtr op;  // with its weights in its kernel's order, where that differs
    std::vector<Tensor> in;
    Tensor out;
  };
  void allocate();
  void bind();

  Graph graph_;
  std::shared_ptr<void> arena_;
  size_t arena_bytes_ = 0;
  std::vector<Tensor> values_;  // views into the arena, and the parameters
  std::vector<Step> steps_;
};

// The arena of a session on one image.
int64_t peak_activation_bytes(const Graph& graph);

}  // namespace bonsai
