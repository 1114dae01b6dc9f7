#include "engine/tape.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "engine/error.h"
#include "engine/kernels/norm.h"
#include "engine/stopwatch.h"

namespace bonsai {

std::string operation_name(std::span<const Parameter* const> parameters, const Op& op,
                           size_t node) {
  if (parameters.empty()) return join(op.name(), '_', node);
  const std::string& first = parameters[0]->name;
  size_t shared = first.rfind('.') + 1;  // of the path, its dot included; no dot: npos + 1 is 0
  for (const Parameter* p : parameters.subspan(1)) {
    while (shared > 0 && p->name.compare(0, shared, first, 0, shared) != 0) {
      shared = shared < 2 ? 0 : first.rfind('.', shared - 2) + 1;
    }
  }
  return shared > 1 ? first.substr(0, shared - 1) : join(op.name(), '_', node);
}

const Shape& Var::shape() const { return tape().values()[static_cast<size_t>(index())].shape; }

const Tensor& Var::value() const {
  const Tensor& data = tape().values()[static_cast<size_t>(index())].data;
  if (!data.defined()) tape().compute();
  require(data.defined(), "tape: value ", index(), " holds no data (a trace, or after backward)");
  return data;
}

const Tensor& Var::grad() const { return tape().values()[static_cast<size_t>(index())].grad; }

Tape::Tape(Mode mode, uint64_t seed, uint64_t step) : mode_(mode), seed_(seed), step_(step) {}

Var Tape::add(Value value) {
  values_.push_back(std::move(value));
  return name(values_.size() - 1);
}

Var Tape::name(size_t index) {
  std::weak_ptr<const Var::Place>& known = values_[index].place;
  std::shared_ptr<const Var::Place> place = known.lock();
  if (place == nullptr) {
    place = std::make_shared<Var::Place>(Var::Place{this, static_cast<int>(index)});
    known = place;
  }
  return Var(std::move(place));
}

Var Tape::constant(Tensor value) { return add({.shape = value.shape(), .data = value}); }

Var Tape::variable(Tensor value) {
  return add({.shape = value.shape(), .data = value, .wants_grad = records_gradients()});
}

// A layer applied twice finds the value of its first use, so that a trace sees shared weights
// as one parameter.
Var Tape::use(Parameter& parameter) {
  for (size_t i = 0; i < values_.size(); ++i) {
    if (values_[i].parameter == &parameter) return name(i);
  }
  return add({.shape = parameter.value.shape(),
              .data = parameter.value,
              .parameter = &parameter,
              .wants_grad = parameter.trainable && records_gradients()});
}

Var Tape::placeholder(Shape shape) { return add({.shape = std::move(shape)}); }

Var Tape::apply(OpPtr op, std::vector<Var> in) {
  std::vector<Shape> shapes;
  Node node{.op = std::move(op)};
  bool wanted = false;
  for (const Var& var : in) {
    require(var && &var.tape() == this, node.op->name(), ": an input belongs to another tape");
    const Value& input = value(var.index());
    shapes.push_back(input.shape);
    node.in.push_back(var.index());
    wanted = wanted || input.wants_grad;
  }
  const Var out = add({.shape = node.op->infer(shapes), .wants_grad = wanted});
  node.out = out.index();
  nodes_.push_back(std::move(node));
  return out;
}

// Plans the nodes that are not computed yet, and notes which values backward will read.
std::vector<TapeStep> Tape::plan() {
  std::vector<TapeStep> steps = plan_steps(
      nodes_, computed_, [this](int index) { return is_visible(index); },
      [this](int index) -> const Shape& { return value(index).shape; });
  for (auto at = steps.rbegin(); at != steps.rend(); ++at) {  // readers before what they read
    const TapeStep& step = *at;
    if (step.op->takes_moments()) value(step.in[0]).moments_wanted = true;
    if (joins_moments(step)) {
      for (const int v : step.in) value(v).moments_wanted = true;
    }
    if (!value(step.out).wants_grad) continue;
    if (step.op->backward_reads_result()) value(step.out).read_by_backward = true;
    for (size_t i = 0; i < step.in.size(); ++i) {
      if (step.op->backward_reads(i)) value(step.in[i]).read_by_backward = true;
    }
  }
  return steps;
}

void Tape::compute() {
  if (mode_ == Mode::shapes) return;
  std::vector<TapeStep> steps = plan();
  computed_ = nodes_.size();  // also when a step fails: none is done twice
  std::map<int, size_t> last_use;
  for (size_t s = 0; s < steps.size(); ++s) {
    last_use[steps[s].out] = s;
    for (const int v : steps[s].in) last_use[v] = s;
  }
  std::vector<std::vector<int>> ends(steps.size());
  for (const auto& [v, s] : last_use) ends[s].push_back(v);
  const std::set<int> joined = plan_joined(steps, [this](int index) { return is_visible(index); });
  for (size_t s = 0; s < steps.size(); ++s) {
    const bool may_join = joined.count(steps[s].out) > 0;
    run(std::move(steps[s]), may_join);
    for (const int v : ends[s]) release(v);
  }
}

// Whether the result, which all that read it take in parts, is the step's inputs joined. Their
// gradients are then joined as well, so that each must have one of its own, or none of them. Passes
// go from part to part, each of some channels.
bool Tape::join_inputs(const TapeStep& step) {
  Value& out = value(step.out);
  std::vector<int> parts;
  for (const int v : step.in) {
    const std::vector<int>& own = value(v).parts;
    if (own.empty()) parts.push_back(v);
    parts.insert(parts.end(), own.begin(), own.end());
  }
  for (const int v : parts) {
    const Value& part = value(v);
    if (part.parameter != nullptr || part.wants_grad != out.wants_grad || part.shape.back() == 0 ||
        std::count(parts.begin(), parts.end(), v) > 1) {
      return false;
    }
  }
  out.parts = std::move(parts);
  return true;
}

void Tape::run(TapeStep step, bool may_join) {
  std::vector<Tensor> in;
  for (const int v : step.in) in.push_back(tensor(v));
  Value& out = value(step.out);
  Done done;
  const bool training = mode_ == Mode::training;
  const Stopwatch watch(observer_ != nullptr);
  if (may_join && join_inputs(step)) {
    out.data = Tensor::joined(in);
  } else {
    out.data = Tensor::uninitialized(out.shape);
    step.op->forward(
        in, out.data,
        {.training = training,
         .moments = training && step.op->takes_moments() ? &moments(step.in[0]) : nullptr,
         .result_moments =
             training && out.moments_wanted && step.op->gives_moments() ? &out.moments : nullptr,
         .save = out.wants_grad ? &done.saved : nullptr,
         .seed = seed_,
         .step = step_,
         .node = step.nodes.back()});
  }
  if (training && joins_moments(step)) {
    std::vector<Tensor> parts;
    for (const int v : step.in) parts.push_back(moments(v));
    out.moments = joined_moments(parts);
  }
  if (observer_ != nullptr && out.parts.empty()) {
    tell(step, in, out.data, Direction::forward, {}, watch.seconds());
  }
  if (!out.wants_grad) return;
  done.step = std::move(step);
  done_.push_back(std::move(done));
}

const Tensor& Tape::moments(int index) {
  Value& held = value(index);
  if (!held.moments.defined()) held.moments = channel_moments(all_rows(held.data));
  return held.moments;
}

// Whether the moments of the result are those of the inputs, one after the other.
bool Tape::joins_moments(const TapeStep& step) {
  return step.op->joins_inputs() && value(step.out).moments_wanted;
}

// A value's memory, or its shape alone when it was given back.
Tensor Tape::tensor(int index) {
  const Value& held = value(index);
  return held.data.defined() ? held.data : Tensor::view(nullptr, held.shape);
}

void Tape::release(int index) {
  Value& held = value(index);
  const bool kept = held.parameter != nullptr || held.read_by_backward || is_visible(index);
  if (!kept) held.data = {};
}

void Tape::backward(Var loss) {
  require(records_gradients(), "backward: the tape was recorded without gradients");
  require(&loss.tape() == this && loss.value().size() == 1, "backward: the loss has shape ",
          loss.shape(), ", should be a single number");
  require(!std::exchange(consumed_, true), "backward: this tape has been walked before");
  Value& end = value(loss.index());
  require(end.wants_grad, "backward: the loss depends on no parameter");
  end.grad = Tensor(end.shape, 1);
  for (const Done& done : done_) {
    for (const int v : done.step.in) ++value(v).readers_left;
  }
  while (!done_.empty()) {
    step_back(done_.back());
    done_.pop_back();
  }
  for (Value& leaf : values_) {
    settle(leaf, leaf.parameter != nullptr ? leaf.parameter->grad : leaf.grad);
  }
}

// Adds what is linear in a value to its gradient: all its readers are done.
void Tape::settle(Value& value, const Tensor& grad) {
  if (value.line.empty()) return;
  value.line.add_to(all_rows(grad), all_rows(value.data));
  value.line = {};
}

// Where the step puts its share of the derivative of its input number `which`.
Gradient Tape::gradient_of(const TapeStep& step, size_t which) {
  Value& input = value(step.in[which]);
  if (!input.wants_grad) return {};
  Tensor& target = input.parameter != nullptr ? input.parameter->grad : input.grad;
  // When an op reads one value twice (x + x), its second share is added to its first.
  bool fresh = !target.defined();
  if (fresh && !input.parts.empty()) {
    fresh = join_gradient(input);
  } else if (fresh) {
    target = Tensor::uninitialized(input.shape);
  }
  return {.tensor = &target, .fresh = fresh, .line = &input.line};
}

// Joins the gradients of a value's parts, which others may have given shares already. Whether none
// has: else what was unwritten is zero.
bool Tape::join_gradient(Value& joined) {
  const auto is_fresh = [this](int part) { return !value(part).grad.defined(); };
  const bool fresh = std::all_of(joined.parts.begin(), joined.parts.end(), is_fresh);
  std::vector<Tensor> grads;
  for (const int v : joined.parts) {
    Value& part = value(v);
    if (is_fresh(v)) {
      part.grad = Tensor::uninitialized(part.shape);
      if (!fresh) part.grad.fill(0);
    }
    grads.push_back(part.grad);
  }
  joined.grad = Tensor::joined(grads);
  return fresh;
}

// All readers of a joined value are done: its parts have the gradients, and get their shares of
// what is linear in it, for which they need what may have been given back.
void Tape::hand_on_line(Value& joined) {
  if (joined.line.empty()) return;
  int first = 0;
  for (size_t i = 0; i < joined.parts.size(); ++i) {
    Value& part = value(joined.parts[i]);
    const int channels = part.shape.back();
    part.line.add(joined.line, first, channels);
    part.data = joined.data.parts()[i];
    first += channels;
  }
  joined.line = {};
}

// What reads the derivative of input number `which` as the step completes it, if nobody else has a
// share of it to give, nor the step another one.
GradientReader* Tape::reader_of(const TapeStep& step, size_t which) {
  const int v = step.in[which];
  const Value& input = value(v);
  const bool completed = input.readers_left == 0 && input.line.empty() && input.grad.defined() &&
                         step.op->completes_rows(which) &&
                         std::count(step.in.begin(), step.in.end(), v) == 1;
  if (!completed) return nullptr;
  const auto maker = std::find_if(done_.rbegin(), done_.rend(),
                                  [v](const Done& done) { return done.step.out == v; });
  if (maker == done_.rend()) return nullptr;
  std::vector<Tensor> in;
  for (const int i : maker->step.in) in.push_back(tensor(i));
  maker->reader = maker->step.op->gradient_reader(in, tensor(v), maker->saved, input.grad);
  return maker->reader.get();
}

void Tape::step_back(Done& done) {
  const TapeStep& step = done.step;
  Value& out = value(step.out);
  for (const int v : step.in) --value(v).readers_left;
  if (!out.grad.defined()) return;  // the loss does not depend on it
  out.parts.empty() ? give_shares(done) : hand_on_line(out);
  out.grad = {};
  if (&out != &values_.back()) out.data = {};
}

// Gives the inputs of the step their shares of the derivative.
void Tape::give_shares(Done& done) {
  const TapeStep& step = done.step;
  Value& out = value(step.out);
  std::vector<Tensor> in;
  std::vector<Gradient> grads;
  for (size_t i = 0; i < step.in.size(); ++i) {
    in.push_back(tensor(step.in[i]));
    grads.push_back(gradient_of(step, i));
    grads.back().reader = reader_of(step, i);
  }
  if (!step.op->takes_line()) settle(out, out.grad);
  run_back(done, in,
           {.tensor = out.grad, .line = std::exchange(out.line, {}), .reader = done.reader.get()},
           grads);
}

// Under an observer, derivatives that are computed apart are timed apart.
void Tape::run_back(Done& done, std::span<const Tensor> in, const Derivative& by_out,
                    std::span<const Gradient> grads) {
  const TapeStep& step = done.step;
  const Tensor out = tensor(step.out);
  const auto run = [&](std::span<const Gradient> wanted, Direction direction) {
    const Stopwatch watch(observer_ != nullptr);
    step.op->backward_of(in, out, done.saved, by_out, wanted);
    if (observer_ != nullptr) tell(step, in, out, direction, wanted, watch.seconds());
  };
  const auto apart = [&] {
    std::vector<Shape> shapes;
    for (const Tensor& t : in) shapes.push_back(t.shape());
    return step.op->derivatives_apart(shapes, out.shape());
  };
  if (observer_ == nullptr || !apart()) return run(grads, Direction::backward);
  std::vector<Gradient> data(grads.size()), weights(grads.begin(), grads.end());
  data[0] = std::exchange(weights[0], {});
  if (data[0].wanted()) run(data, Direction::backward_data);
  const auto wanted = [](const Gradient& gradient) { return gradient.wanted(); };
  if (std::any_of(weights.begin(), weights.end(), wanted))
    run(weights, Direction::backward_weights);
}

void Tape::tell(const TapeStep& step, std::span<const Tensor> in, const Tensor& out,
                Direction direction, std::span<const Gradient> grad, double seconds) const {
  std::vector<const Parameter*> parameters;
  for (const int v : nodes_[static_cast<size_t>(step.nodes.front())].in) {
    if (const Parameter* p = values_[static_cast<size_t>(v)].parameter) parameters.push_back(p);
  }
  std::string operation;
  for (const int n : step.nodes) {
    operation += join(operation.empty() ? "" : " + ", nodes_[static_cast<size_t>(n)].op->name());
  }
  const int node = step.nodes.back();
  observer_->ran({.name = operation_name(parameters, *step.op, static_cast<size_t>(node)),
                  .operation = std::move(operation),
                  .node = node,
                  .op = *step.op,
                  .direction = direction,
                  .in = in,
                  .out = out,
                  .grad = grad,
                  .seconds = seconds});
}

}  // namespace bonsai
