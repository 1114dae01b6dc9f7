// Tape: records a forward pass as a list of nodes and walks it backwards for the derivatives.
// The list is the whole of autograd: every value comes from an earlier node, so no sorting and
// no recursion. The same list, without memory, is the graph (engine/graph.h).
//
// Recording computes nothing: that is done when a value is asked for, or by backward. By then it is
// known who reads what, so that nodes are computed together where an operation can
// (engine/steps.h), and a value's memory is given back as soon as its last reader is done, unless
// backward will look at it or somebody holds a Var of it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/op.h"
#include "engine/step_observer.h"
#include "engine/steps.h"

namespace bonsai {

// A tensor that belongs to a layer or graph. `trainable` false: a buffer, such as the running
// mean of a batch norm, which files hold and optimisers leave alone.
struct Parameter {
  std::string name{};
  Tensor value{};
  Tensor grad{};  // undefined until a backward pass has reached the parameter
  bool trainable = true;
};

// What to call an operation, number `node` of its network: the path that its parameters share
// ("features.0.conv"), or its own name and number ("relu_3").
std::string operation_name(std::span<const Parameter* const> parameters, const Op& op, size_t node);

class Tape;

// A handle to a value on a tape; cheap to copy. A default one stands for "none" (no bias). While
// one exists, its value is kept for it.
class Var {
 public:
  struct Place {
    Tape* tape;
    int index;
  };

  Var() = default;
  explicit Var(std::shared_ptr<const Place> place) : place_(std::move(place)) {}

  explicit operator bool() const { return place_ != nullptr; }
  Tape& tape() const { return *place_->tape; }
  int index() const { return place_->index; }
  const Shape& shape() const;
  const Tensor& value() const;  // computes what has been recorded so far
  const Tensor& grad() const;   // of a variable, after backward

 private:
  std::shared_ptr<const Place> place_;
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

  // Computes what has been recorded since the last time. Side effects (running statistics) happen
  // here.
  void compute();

  // Every value is kept, and every node computed on its own, for those who look at values().
  void keep_all() { keeps_all_ = true; }

  // `observer` is told what each step costs, from now on, but for concats that are their inputs
  // joined; null: nobody is. It must outlive the tape.
  void observe(StepObserver* observer) { observer_ = observer; }

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
    bool read_by_backward = false;
    std::vector<int> parts{};     // the values that it joins, as its gradient joins theirs
    bool moments_wanted = false;  // by a step (Op::takes_moments), or for those of the whole
    Tensor moments{};             // over the batch, once they are known
    ChannelLine line{};           // of its derivative, still to be added to grad
    int readers_left = 0;         // steps whose share of its derivative is still to come
    std::weak_ptr<const Var::Place> place{};  // of the Vars that name it
  };
  const std::deque<Value>& values() const { return values_; }
  const std::vector<Node>& nodes() const { return nodes_; }

 private:
  // A step that was computed, and what backward wants of it.
  struct Done {
    TapeStep step{};
    std::vector<Tensor> saved{};
    std::unique_ptr<GradientReader> reader{};  // of the derivative by the result
  };

  Var add(Value value);
  Var name(size_t index);
  Value& value(int index) { return values_[static_cast<size_t>(index)]; }
  Tensor tensor(int index);
  bool records_gradients() const { return mode_ == Mode::training || mode_ == Mode::frozen; }
  bool is_visible(int index) { return keeps_all_ || !value(index).place.expired(); }
  std::vector<TapeStep> plan();
  void run(TapeStep step, bool may_join);
  bool join_inputs(const TapeStep& step);
  void release(int index);
  const Tensor& moments(int index);
  bool joins_moments(const TapeStep& step);
  static void settle(Value& value, const Tensor& grad);
  Gradient gradient_of(const TapeStep& step, size_t which);
  bool join_gradient(Value& joined);
  void hand_on_line(Value& joined);
  GradientReader* reader_of(const TapeStep& step, size_t which);
  void step_back(Done& done);
  void give_shares(Done& done);
  void run_back(Done& done, std::span<const Tensor> in, const Derivative& by_out,
                std::span<const Gradient> grads);
  void tell(const TapeStep& step, std::span<const Tensor> in, const Tensor& out,
            Direction direction, std::span<const Gradient> grad, double seconds) const;

  Mode mode_;
  uint64_t seed_, step_;
  std::deque<Value> values_;  // what Var::value() refers to stays where it is
  std::vector<Node> nodes_;
  size_t computed_ = 0;  // of the nodes
  std::vector<Done> done_;
  bool keeps_all_ = false, consumed_ = false;
  StepObserver* observer_ = nullptr;
};

}  // namespace bonsai
