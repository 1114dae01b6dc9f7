// All losses of distillation at once, through a small network with batch norm: what reaches every
// parameter, the regressor's among them, against central differences.
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "engine/ops.h"
#include "tests/catch.h"
#include "tests/error_of.h"
#include "tests/op_table.h"

using namespace bonsai;

namespace {

// A student of two layers whose first is compared with a wider and larger map of its teacher's.
struct Taught {
  Taught() {
    Random random(8, Purpose::test);
    const auto draw = [&](const Shape& shape) { return op_table_detail::normal(shape, random); };
    for (const Shape& shape :
         std::vector<Shape>{{4, 3, 3, 2}, {4}, {4}, {6, 1, 1, 4}, {6}, {5, 4}, {5}})
      parameters.push_back(draw(shape));
    x = draw({3, 6, 4, 2});
    map = draw({3, 12, 4, 6});
    logits = draw({3, 5});
  }

  enum Losses { answers = 1, hints = 2, attention = 4, all = 7 };

  // The gradients too, if they are wanted.
  double loss(Losses which, std::vector<Tensor>* gradients = nullptr) const {
    Tape tape(Mode::training);
    std::vector<Var> p;
    for (const Tensor& value : parameters) p.push_back(tape.variable(value.clone()));
    const Var mean = tape.constant(Tensor({4})), var = tape.constant(Tensor({4}, 1));
    const Var y =
        batch_norm(conv2d(tape.constant(x), p[0], {}, {.padding = 1}), p[1], p[2], mean, var);
    const Var layer = hard_swish(y);
    const Var out = linear(global_average_pool(layer), p[5], p[6]);
    Var sum = scale(cross_entropy(out, tape.constant(Tensor::of({3}, {1, 4, 0}))), 0.3F);
    if (which & answers)
      sum = add(sum, scale(distillation_loss(out, tape.constant(logits), 4), 0.7F));
    const Var theirs = adaptive_average_pool(tape.constant(map), 6, 4);
    if (which & hints) sum = add(sum, scale(hint_loss(layer, p[3], p[4], theirs), 2));
    if (which & attention) {
      const Var difference = mean_squared_error(attention_map(layer), attention_map(theirs));
      sum = add(sum, scale(difference, 50));
    }
    const double value = sum.value().item();
    if (gradients == nullptr) return value;
    tape.backward(sum);
    for (const Var& v : p) gradients->push_back(v.grad());
    return value;
  }

  std::vector<Tensor> parameters;  // convolution, gamma, beta, regressor (2), classifier (2)
  Tensor x, map, logits;
};

// The largest error of `gradients` as those of these losses, relative to the largest of its tensor.
double error_of(const Taught& taught, Taught::Losses which, const std::vector<Tensor>& gradients) {
  constexpr double h = 1e-5;
  double worst = 0;
  for (size_t k = 0; k < gradients.size(); ++k) {
    const Tensor& w = taught.parameters[k];
    double largest = 1e-3, error = 0;
    for (size_t i = 0; i < w.size(); ++i) {
      const Scalar before = w[i];
      w[i] = before + h;
      const double above = taught.loss(which);
      w[i] = before - h;
      const double slope = (above - taught.loss(which)) / (2 * h);
      w[i] = before;
      largest = std::max(largest, std::abs(slope));
      const double found = gradients[k].defined() ? double{gradients[k][i]} : 0;
      error = std::max(error, std::abs(slope - found));
    }
    worst = std::max(worst, error / largest);
  }
  return worst;
}

}  // namespace

TEST_CASE("what a taught network learns from all losses agrees with differences") {
  const Taught taught;
  for (const auto which : {Taught::answers, Taught::hints, Taught::attention, Taught::all}) {
    INFO(which);
    std::vector<Tensor> gradients;
    taught.loss(which, &gradients);
    CHECK(error_of(taught, which, gradients) < 1e-6);
    // Of other losses they are not.
    const auto other = which == Taught::answers ? Taught::hints : Taught::answers;
    CHECK(error_of(taught, other, gradients) > 1e-2);
  }
}

TEST_CASE("a hint's loss is the mean squared error behind the convolution that regresses") {
  const Taught taught;
  const auto run = [&](bool fused) {
    Tape tape(Mode::training);
    const Var x = tape.variable(taught.map.clone());  // more channels than the target has
    Random random(3, Purpose::test);
    const auto draw = [&](const Shape& shape) { return op_table_detail::normal(shape, random); };
    const Var w = tape.variable(draw({4, 1, 1, 6})), b = tape.variable(draw({4}));
    const Var t = tape.constant(draw({3, 12, 4, 4}));
    const Var loss = fused ? hint_loss(x, w, b, t) : mean_squared_error(conv2d(x, w, b), t);
    std::vector<Tensor> result = {loss.value().clone()};
    tape.backward(scale(loss, 3));
    for (const Var& v : {x, w, b}) result.push_back(v.grad());
    return result;
  };
  const std::vector<Tensor> fused = run(true), apart = run(false);
  for (size_t i = 0; i < fused.size(); ++i) CHECK(max_abs_difference(fused[i], apart[i]) < 1e-12);
}
