#include "engine/tape.h"

#include <utility>

#include "engine/error.h"

namespace bonsai {

const Shape& Var::shape() const { return tape_->values()[static_cast<size_t>(index_)].shape; }

const Tensor& Var::value() const {
  const Tensor& data = tape_->values()[static_cast<size_t>(index_)].data;
  require(data.defined(), "tape: value ", index_, " holds no data (a trace, or after backward)");
  return data;
}

const Tensor& Var::grad() const { return tape_->values()[static_cast<size_t>(index_)].grad; }

Tape::Tape(Mode mode, uint64_t seed, uint64_t step) : mode_(mode), seed_(seed), step_(step) {}

Var Tape::add(Value value) {
  values_.push_back(std::move(value));
  return {this, static_cast<int>(values_.size()) - 1};
}

Var Tape::constant(Tensor value) { return add({.shape = value.shape(), .data = std::move(value)}); }

Var Tape::variable(Tensor value) {
  return add({.shape = value.shape(), .data = std::move(value), .wants_grad = records_gradients()});
}

// A layer applied twice finds the value of its first use, so that a trace sees shared weights
// as one parameter.
Var Tape::use(Parameter& parameter) {
  for (size_t i = 0; i < values_.size(); ++i) {
    if (values_[i].parameter == &parameter) return {this, static_cast<int>(i)};
  }
  return add({.shape = parameter.value.shape(),
              .data = parameter.value,
              .parameter = &parameter,
              .wants_grad = parameter.trainable && records_gradients()});
}

Var Tape::placeholder(Shape shape) { return add({.shape = std::move(shape)}); }

Var Tape::apply(OpPtr op, std::vector<Var> in) {
  std::vector<Shape> shapes;
  std::vector<Tensor> tensors;
  Node node{.op = std::move(op)};
  bool wanted = false;
  for (const Var& var : in) {
    require(var && &var.tape() == this, node.op->name(), ": an input belongs to another tape");
    const Value& value = values_[static_cast<size_t>(var.index())];
    shapes.push_back(value.shape);
    tensors.push_back(value.data);
    node.in.push_back(var.index());
    wanted = wanted || value.wants_grad;
  }
  Value result{.shape = node.op->infer(shapes), .wants_grad = wanted};
  std::vector<Tensor> saved;
  if (mode_ != Mode::shapes) {
    result.data = Tensor::uninitialized(result.shape);
    node.op->forward(tensors, result.data,
                     {.training = mode_ == Mode::training,
                      .save = wanted ? &saved : nullptr,
                      .seed = seed_,
                      .step = step_,
                      .node = static_cast<int>(nodes_.size())});
  }
  const Var out = add(std::move(result));
  node.out = out.index();
  nodes_.push_back(std::move(node));
  saved_.push_back(std::move(saved));
  return out;
}

void Tape::backward(Var loss) {
  require(records_gradients(), "backward: the tape was recorded without gradients");
  require(&loss.tape() == this && loss.value().size() == 1, "backward: the loss has shape ",
          loss.shape(), ", should be a single number");
  require(!std::exchange(consumed_, true), "backward: this tape has been walked before");
  Value& end = values_[static_cast<size_t>(loss.index())];
  require(end.wants_grad, "backward: the loss depends on no parameter");
  end.grad = Tensor(end.shape, 1);
  for (size_t node = nodes_.size(); node-- > 0;) step_back(node);
}

void Tape::step_back(size_t index) {
  const Node& node = nodes_[index];
  Value& out = values_[static_cast<size_t>(node.out)];
  if (!out.grad.defined()) return;  // the loss does not depend on it
  std::vector<Tensor> in;
  std::vector<Gradient> grads;
  for (size_t i = 0; i < node.in.size(); ++i) {
    Value& value = values_[static_cast<size_t>(node.in[i])];
    in.push_back(value.data);
    if (!value.wants_grad) {
      grads.push_back({});
      continue;
    }
    Tensor& target = value.parameter != nullptr ? value.parameter->grad : value.grad;
    // When an op reads one value twice (x + x), its second share is added to its first.
    const bool fresh = !target.defined();
    if (fresh) target = Tensor::uninitialized(value.shape);
    grads.push_back({.tensor = &target, .fresh = fresh});
  }
  node.op->backward(in, out.data, saved_[index], out.grad, grads);
  saved_[index].clear();
  out.grad = {};
  if (&out != &values_.back()) out.data = {};
}

}  // namespace bonsai
