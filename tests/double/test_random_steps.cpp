// Graphs drawn at random from what a tape computes together: steps of several operations, blocks
// of images, joined and shared values give what every operation gives on its own.
#include <deque>
#include <utility>
#include <vector>

#include "engine/ops.h"
#include "engine/random.h"
#include "engine/steps.h"
#include "tests/catch.h"

using namespace bonsai;

namespace {

class RandomGraph {
 public:
  RandomGraph(Tape& tape, uint32_t which) : tape_(tape), random_(12, Purpose::test, which) {
    const bool blocks = random_.chance(0.2F);  // eight of them, of an image each
    const int n = blocks ? 8 : random_.between(1, 30), size = blocks ? 28 : random_.between(2, 8);
    const Tensor pictures = normal({n, size, size, random_.between(1, 6)});
    values_.push_back(random_.chance(0.7F) ? tape.variable(pictures) : tape.constant(pictures));
    for (int i = random_.between(4, 16); i > 0; --i) {
      values_.push_back(next());
      if (random_.chance(0.05F)) values_.back().value();  // computed so far
    }
    const Var last = values_.back();
    loss_ = mean_squared_error(last, tape.constant(normal(last.shape())));
    values_.clear();
  }

  Var loss() const { return loss_; }

  // Gradients, and the values of buffers.
  std::vector<Tensor> results() const {
    std::vector<Tensor> all;
    for (const Parameter& p : parameters_) {
      if (p.grad.defined() || !p.trainable) all.push_back(p.trainable ? p.grad : p.value);
    }
    return all;
  }

 private:
  Tensor normal(Shape shape) {
    Tensor t = Tensor::uninitialized(std::move(shape));
    for (size_t i = 0; i < t.size(); ++i) t[i] = random_.normal();
    return t;
  }

  Var use(Tensor value, bool trainable) {
    parameters_.push_back({.value = std::move(value), .trainable = trainable});
    return tape_.use(parameters_.back());
  }

  // Of gamma, beta or a bias, perhaps one that another operation has too.
  Var vector(int channels) {
    for (Parameter& p : parameters_) {
      if (p.trainable && p.value.shape() == Shape{channels} && random_.chance(0.15F))
        return tape_.use(p);
    }
    return use(normal({channels}), random_.chance(0.85F));
  }

  Var norm(Var x) {
    const int c = x.shape().back();
    if (element_count(x.shape()) == static_cast<size_t>(c)) return scale(x, 0.5F);  // of one row
    const Var gamma = vector(c), beta = vector(c), mean = use(normal({c}), false);
    return batch_norm(x, gamma, beta, mean, use(Tensor({c}, 0.7F), false));
  }

  Var conv(Var x) {
    const int c = x.shape().back(), k = random_.chance(0.5F) ? 3 : 1;
    const int groups = random_.chance(0.2F) ? c : 1, stride = random_.chance(0.1F) ? 2 : 1;
    const int out = groups > 1 || random_.chance(0.5F) ? c : random_.between(1, 9);
    const Var w = use(normal({out, k, k, c / groups}), random_.chance(0.85F));
    return conv2d(x, w, random_.chance(0.3F) ? vector(out) : Var(),
                  {.stride = stride, .padding = k / 2, .groups = groups});
  }

  // A dense block, perhaps of a layer that others read, too, and with somebody's value in the
  // middle.
  Var dense(Var x) {
    for (int layer = random_.between(1, 3); layer > 0; --layer) {
      Var y = conv(relu(norm(x)));
      if (y.shape()[1] != x.shape()[1]) return y;
      if (random_.chance(0.2F)) values_.push_back(y);
      if (random_.chance(0.2F)) y = beside(x, false);
      x = concat({x, y});
    }
    return conv(relu(norm(x)));
  }

  Var any() { return values_[random_.below(static_cast<uint32_t>(values_.size()))]; }

  // Another value as large as x, or x.
  Var beside(Var x, bool same_channels) {
    const Var other = any();
    Shape shape = other.shape();
    if (!same_channels) shape.back() = x.shape().back();
    return shape == x.shape() ? other : x;
  }

  Var next() {
    const Var x = random_.chance(0.7F) ? values_.back() : any();
    switch (random_.below(9)) {
      case 0:
      case 1:
        return conv(x);
      case 2:
      case 3:
        return norm(x);
      case 4:
        return random_.chance(0.5F) ? relu(x) : hard_swish(x);
      case 5:
        return add(beside(x, true), x);
      case 6:
        return x.shape().back() < 16 ? concat({x, beside(x, false)}) : scale(x, 0.5F);
      case 7:
        return dense(x);
      default:
        return conv(relu(norm(x)));
    }
  }

  Tape& tape_;
  Random random_;
  std::deque<Parameter> parameters_;
  std::vector<Var> values_;
  Var loss_;
};

struct Counts {
  size_t steps_saved = 0, joined = 0;
};

std::vector<Tensor> train(uint32_t which, bool together, Counts& counts) {
  Tape tape(which % 3 == 0 ? Mode::frozen : which % 7 == 0 ? Mode::inference : Mode::training);
  if (!together) tape.keep_all();
  const RandomGraph graph(tape, which);
  const auto visible = [&](int v) { return v == graph.loss().index(); };
  const auto shape_of = [&](int v) -> const Shape& {
    return tape.values()[static_cast<size_t>(v)].shape;
  };
  counts.steps_saved += tape.nodes().size() - plan_steps(tape.nodes(), 0, visible, shape_of).size();
  std::vector<Tensor> results{graph.loss().value().clone()};
  for (const Tape::Value& value : tape.values()) counts.joined += value.parts.empty() ? 0 : 1;
  if (tape.values()[static_cast<size_t>(graph.loss().index())].wants_grad)
    tape.backward(graph.loss());
  for (const Tensor& t : graph.results()) results.push_back(t);
  return results;
}

}  // namespace

TEST_CASE("random graphs give the same computed together and operation by operation") {
  Counts counts;
  size_t gradients = 0;  // those that are not zero, the loss aside
  for (uint32_t which = 0; which < 400; ++which) {
    INFO("graph " << which);
    const auto together = train(which, true, counts), apart = train(which, false, counts);
    REQUIRE(together.size() == apart.size());
    for (size_t i = 0; i < apart.size(); ++i) {
      REQUIRE(together[i].shape() == apart[i].shape());
      const double largest = max_abs_difference(apart[i], Tensor(apart[i].shape()));
      // Norms over a few rows, one behind the other, enlarge what was rounded.
      CHECK(max_abs_difference(together[i], apart[i]) <= 1e-8 * (largest + 1));
      gradients += i > 0 && largest > 1e-6 ? 1 : 0;
    }
    // Another graph's results are others.
    CHECK(together[0].item() != train(which + 1, false, counts)[0].item());
  }
  CHECK(counts.steps_saved > 1000);
  CHECK(counts.joined > 300);
  CHECK(gradients > 1000);
}
