// The losses of distillation against PyTorch's values and gradients (tests/fixtures/
// distillation.py), and what attention must not depend on.
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "compress/distillation.h"
#include "engine/error.h"
#include "engine/ops.h"
#include "tests/catch.h"
#include "tests/compare_graphs.h"
#include "tests/error_of.h"
#include "tests/layer_fixture.h"
#include "tests/random_network.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

const LayerFixture& fixture() {
  static const LayerFixture file("distillation");
  return file;
}

constexpr double tolerance = 1e-5;

void check_against(const std::string& prefix, Var loss,
                   const std::vector<std::pair<std::string, Var>>& inputs) {
  INFO(prefix);
  CHECK(relative_difference(loss.value(), fixture().get(prefix + ".y")) < tolerance);
  loss.tape().backward(loss);
  for (const auto& [name, value] : inputs) {
    INFO(name);
    CHECK(relative_difference(value.grad(), fixture().get(prefix + ".d" + name)) < tolerance);
  }
}

double attention_between(const Tensor& student, const Tensor& teacher) {
  Tape tape(Mode::inference);
  return attention_loss(tape.constant(student), tape.constant(teacher)).value().item();
}

}  // namespace

TEST_CASE("softened answers agree with PyTorch's, value and gradient") {
  for (const char* prefix : {"soft.0", "soft.1", "soft.2"}) {
    Tape tape(Mode::training);
    const Var s = tape.variable(fixture().given(join(prefix, ".s")));
    const Var t = tape.constant(fixture().given(join(prefix, ".t")));
    const float temperature = fixture().get(join(prefix, ".temperature")).item();
    check_against(prefix, distillation_loss(s, t, temperature), {{"s", s}});
  }
  Tape tape(Mode::training);
  const Var s = tape.constant(fixture().given("soft.1.s"));
  const Var off = distillation_loss(s, tape.constant(fixture().given("soft.1.t")), 3.9F);
  CHECK(relative_difference(off.value(), fixture().get("soft.1.y")) > tolerance);
}

TEST_CASE("attention transfer agrees with PyTorch's, maps of different sizes among them") {
  for (const char* prefix : {"attention.0", "attention.1", "attention.2"}) {
    Tape tape(Mode::training);
    const Var s = tape.variable(fixture().given(join(prefix, ".s")));
    const Var t = tape.constant(fixture().given(join(prefix, ".t")));
    check_against(prefix, scale(attention_loss(s, t), 2), {{"s", s}});
  }
}

TEST_CASE("hints through a regressor agree with PyTorch's, value and gradients") {
  Tape tape(Mode::training);
  const Var s = tape.variable(fixture().given("hint.s")),
            w = tape.variable(fixture().given("hint.w"));
  const Var b = tape.variable(fixture().given("hint.b"));
  const Var loss = hint_loss(s, w, b, tape.constant(fixture().given("hint.t")));
  check_against("hint", loss, {{"s", s}, {"w", w}, {"b", b}});
}

TEST_CASE("attention does not see the order, number and scale of channels") {
  const Tensor student = random_tensor({2, 4, 3, 5}, 1), teacher = random_tensor({2, 4, 3, 6}, 2);
  const double whole = attention_between(student, teacher);
  CHECK(whole > 1e-4);
  Tape tape(Mode::inference);
  const Var s = tape.constant(student);
  const Tensor shuffled = select(s, {3, 0, 4, 2, 1}).value(), doubled = concat({s, s}).value(),
               scaled = scale(s, 7).value();
  for (const Tensor& same : {shuffled, doubled, scaled}) {
    CHECK(attention_between(same, teacher) == Approx(whole));
    CHECK(attention_between(same, student) < 1e-12);
  }
  CHECK(attention_between(student, student) == 0);
  const Tensor fewer = select(s, {0, 1, 2}).value();  // other channels are noticed
  CHECK(std::abs(attention_between(fewer, teacher) - whole) > 1e-5);
}

TEST_CASE("a silent layer has an attention of zero and no gradient, not an undefined one") {
  Tape tape(Mode::training);
  const Var silent = tape.variable(Tensor({2, 3, 3, 4}));
  const Var loss = attention_loss(silent, tape.constant(random_tensor({2, 3, 3, 4}, 1)));
  CHECK(std::isfinite(loss.value().item()));
  tape.backward(loss);
  CHECK(max_abs_difference(silent.grad(), Tensor({2, 3, 3, 4})) == 0);
}

TEST_CASE(
    "adaptive pooling of a map that divides is average pooling, and covers one that does not") {
  const Tensor x = random_tensor({2, 6, 4, 3}, 3);
  Tape tape(Mode::inference);
  const Var v = tape.constant(x);
  CHECK(max_abs_difference(adaptive_average_pool(v, 3, 2).value(),
                           average_pool(v, {.kernel = 2, .stride = 2}).value()) < 1e-6);
  CHECK(max_abs_difference(adaptive_average_pool(v, 6, 4).value(), x) == 0);
  const Tensor all = adaptive_average_pool(v, 1, 1).value();
  CHECK(max_abs_difference(all.reshape({2, 3}), global_average_pool(v).value()) < 1e-6);
  const Tensor row = Tensor::of({1, 1, 5, 1}, {1, 2, 3, 4, 5});  // windows 0-1, 1-3, 3-4
  CHECK(max_abs_difference(adaptive_average_pool(tape.constant(row), 1, 3).value(),
                           Tensor::of({1, 1, 3, 1}, {1.5, 3, 4.5})) < 1e-6);
}

TEST_CASE("losses of distillation name what does not fit") {
  Tape t(Mode::training);
  const Var a = t.constant(Tensor({2, 4})), b = t.constant(Tensor({2, 3}));
  const Var map = t.constant(Tensor({2, 4, 4, 3}));
  CHECK(error_of([&] { distillation_loss(a, b, 1); }) ==
        "distillation_loss: the teacher's logits have shape [2, 3], should be the student's, [2, "
        "4]");
  CHECK(error_of([&] { distillation_loss(a, a, 0); }) ==
        "distillation_loss: temperature is 0, should be above 0 and at most 1000000");
  CHECK(error_of([&] {
          t.backward(distillation_loss(t.variable(Tensor({2, 4})), t.variable(Tensor({2, 4})), 1));
        }) == "distillation_loss: the teacher has no gradient, pass its logits as a constant");
  CHECK(error_of([&] { attention_map(a); }) ==
        "attention_map: the input has shape [2, 4], should have 4 axes");
  CHECK(error_of([&] { adaptive_average_pool(map, 0, 2); }) ==
        "adaptive_average_pool: the result is 0x2, should be at least 1x1");
}
