// Graph: a traced network as data. It owns its parameters, is itself a layer, and is what
// pruning, folding, planning, costing, saving and running work on: a rewritten graph is trained,
// rewritten again and shipped without the code that first built it.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/layer.h"

namespace bonsai {

// What a network's user must know besides the network.
struct ModelInfo {
  std::string network;               // the zoo's name: "vgg_small"
  std::vector<std::string> classes;  // the meaning of each output
  std::vector<float> mean, std;      // per input channel, of pixels scaled to [0, 1]
};

class Graph : public Layer {
 public:
  // Inputs, parameters and results alike, so that one number names any of them.
  struct Value {
    Shape shape;                           // for a batch of one
    std::unique_ptr<Parameter> parameter;  // null: an activation
  };

  Graph() = default;
  Graph(const Graph& other);  // deep: no memory is shared; gradients stay behind
  Graph& operator=(const Graph& other);
  Graph(Graph&& other) noexcept;
  Graph& operator=(Graph&& other) noexcept;

  Var forward(Var x) override;
  std::vector<Parameter*> parameters() override;

  const Shape& input_shape() const { return values[static_cast<size_t>(input)].shape; }
  const Shape& output_shape() const { return values[static_cast<size_t>(output)].shape; }
  std::vector<Shape> shapes() const;
  Parameter* find(const std::string& name);  // null when there is none
  // A node's name: the path that its parameters share ("features.0.conv"), or its operation and
  // position ("relu_3").
  std::string node_name(size_t node) const;

  // Checks every index and infers every shape again for `input_shape`; throws Error naming the
  // node that does not fit.
  void infer_shapes(Shape input_shape);

  std::vector<Value> values;
  std::vector<Node> nodes;  // in order of execution
  int input = 0, output = 0;
  ModelInfo info;
};

// The layer's computation for inputs of this shape (a batch of 1), with copies of its parameters.
// What does not lead to the result is left out.
Graph trace(Layer& layer, const Shape& input);

// Removes nodes that do not lead to the output and values that nothing names, and numbers the
// rest in the order in which they are met: the input, then each node's inputs and its result.
void drop_unused(Graph& graph);

// Every value of the graph on x's tape, by its number. `change`, if given, sees each result as it
// is made and says what its readers get instead: a copy to observe, a channel switched off.
std::vector<Var> replay(Graph& graph, Var x,
                        const std::function<Var(int value, Var result)>& change = {});

// The values with these numbers when x runs through the graph in inference mode.
std::vector<Tensor> taps(Graph& graph, const Tensor& x, std::span<const int> values);

// Per value: the numbers of the nodes that read it, in order.
std::vector<std::vector<int>> consumers(const Graph& graph);

}  // namespace bonsai
