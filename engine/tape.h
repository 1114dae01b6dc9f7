// Tape: records a forward pass as a list of nodes and walks it backwards for the derivatives.
// The list is the whole of autograd: every value comes from an earlier node, so no sorting and
// no recursion. The same list, without memory, is the graph (engine/graph.h).
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "engine/op.h"

namespace bonsai {

// A tensor that belongs to a layer or graph. `trainable` false: a buffer, such as the running
// mean of a batch norm, which files hold and optimisers leave alone.
struct Parameter {
  std::string name{};
  Tensor value{};
  Tensor grad{};  // undefined until a backward pass has reached the parameter
  bool trainable = true;
};

class Tape;

// A handle to a value on a tape; cheap to copy. A default one stands for "none" (no bias).
class Var {
 public:
  Var() = default;
  Var(Tape* tape, int index) : tape_(tape), index_(index) {}

  explicit operator bool() const { return tape_ != nullptr; }
  Tape& tape() const { return *tape_; }
  int index() const { return index_; }
  const Shape& shape() const;
  const Tensor& value() const;
  const Tensor& grad() const;  // of a variable, after backward

 private:
  Tape* tape_ = nullptr;
  int index_ = 0;
};

enum class Mode {
  training,   // batch statistics, dropout, gradients
  inference,  // running statistics, no gradients
  frozen,     // as inference, with gradients
  shapes,     // nothing is computed: shapes are checked and the steps recorded (trace)
};

class Tape {
 public:
  // Random operations draw from (seed, step).
  explicit Tape(Mode mode, uint64_t seed = 0, uint64_t step = 0);
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  Mode mode() const { return mode_; }

  Var constant(Tensor value);     // no gradient
  Var variable(Tensor value);     // with gradient, read by Var::grad()
  Var use(Parameter& parameter);  // gradient is added to parameter.grad when it is trainable
  Var placeholder(Shape shape);   // Mode::shapes: an input without memory
  Var apply(OpPtr op, std::vector<Var> in);

  // d loss / d every variable and trainable parameter; `loss` holds a single number. Consumes
  // the tape: intermediate values and their gradients are freed as the walk passes them (which
  // is what keeps a step's memory low), so read the logits before. One call per tape.
  void backward(Var loss);

  struct Value {
    Shape shape;
    Tensor data{};
    Tensor grad{};
    Parameter* parameter = nullptr;  // null: an input, a constant, or a result
    bool wants_grad = false;
  };
  const std::deque<Value>& values() const { return values_; }
  const std::vector<Node>& nodes() const { return nodes_; }

 private:
  Var add(Value value);
  bool records_gradients() const { return mode_ == Mode::training || mode_ == Mode::frozen; }
  void step_back(size_t node);

  Mode mode_;
  uint64_t seed_, step_;
  std::deque<Value> values_;  // what Var::value() refers to stays where it is
  std::vector<Node> nodes_;
  std::vector<std::vector<Tensor>> saved_;  // per node
  bool consumed_ = false;
};

}  // namespace bonsai
