// Every operation's backward against central differences, over the operation test table; and
// that the check itself rejects what is wrong.
#include "engine/gradcheck.h"

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/ops.h"
#include "engine/tape.h"
#include "tests/catch.h"
#include "tests/op_table.h"

using namespace bonsai;

TEST_CASE("every operation has a row in the test table") {
  std::set<std::string> rows, names;
  for (const OpRow& row : op_table()) rows.insert(row.name);
  for (const std::string_view name : op_names()) names.insert(std::string(name));
  CHECK(rows == names);
}

TEST_CASE("backward agrees with differences") {
  for (const OpRow& row : op_table()) {
    for (int i = 0; i < op_cases; ++i) {
      const OpCase c = draw_case(row, i);
      const OpPtr op = make_op(row.name, c.attributes);
      for (const bool training : {true, false}) {
        INFO(row.name << ", case " << i << (training ? ", training" : ", frozen"));
        CHECK_NOTHROW(gradcheck(*op, c.in, c.wanted, {.training = training}));
      }
    }
  }
}

// Two groups of channels that take turns, by tiles of whole pixels, and three by copies; then a
// list that is not undone.
TEST_CASE("a grouped convolution between permutations agrees with differences") {
  const auto list = [](int channels, int groups) {
    std::vector<int> index;
    for (int c = 0; c < channels; ++c) {
      index.push_back(c % groups * (channels / groups) + c / groups);
    }
    return make_op("select", {{"index", index}});
  };
  Random random(6, Purpose::test);
  for (const int groups : {2, 3}) {
    const int in = 4 * groups, out = 3 * groups;
    const OpPtr conv = make_op("conv2d", {{"stride", int64_t{1}},
                                          {"padding", int64_t{0}},
                                          {"dilation", int64_t{1}},
                                          {"groups", int64_t{groups}}});
    const OpPtr first = list(in, 4)->followed_by(*conv, 0);
    REQUIRE(first);
    const OpPtr whole = first->followed_by(*list(out, groups), 0);
    REQUIRE(whole);
    const std::vector<Tensor> inputs = {op_table_detail::normal({2, 10, 10, in}, random),
                                        op_table_detail::normal({out, 1, 1, 4}, random),
                                        op_table_detail::normal({out}, random)};
    for (const OpPtr& op : {first, whole}) {
      INFO(op->name() << ", " << groups << " groups");
      CHECK_NOTHROW(gradcheck(*op, inputs, {true, true, true}, {.training = true}));
    }
  }
}

TEST_CASE("batch norm with what follows it agrees with differences") {
  for (int i = 0; i < op_cases; ++i) {
    OpCase c = draw_case({"batch_norm", op_table_detail::batch_norm}, i);
    const OpPtr norm = make_op("batch_norm", c.attributes), relu = make_op("relu", {});
    const OpPtr sum = norm->followed_by(*make_op("add", {}), 0);
    std::vector<OpPtr> alone = {norm->followed_by(*relu, 0),
                                norm->followed_by(*make_op("hard_swish", {}), 0)};
    for (const bool training : {true, false}) {
      INFO("case " << i << (training ? ", training" : ", frozen"));
      for (const OpPtr& op : alone) {
        CHECK_NOTHROW(gradcheck(*op, c.in, c.wanted, {.training = training}));
      }
      OpCase more = c;
      Random random(5, Purpose::test, static_cast<uint64_t>(i));
      more.in.push_back(op_table_detail::normal(c.in[0].shape(), random));
      more.wanted.push_back(true);
      for (const OpPtr& op : {sum, sum->followed_by(*relu, 0)}) {
        CHECK_NOTHROW(gradcheck(*op, more.in, more.wanted, {.training = training}));
      }
    }
  }
}

namespace {

// y [1] = sum(w * x), w = 1, 2, 3, ...
class WeightedSum : public Op {
 public:
  std::string_view name() const override { return "weighted_sum"; }
  Shape infer(std::span<const Shape>) const override { return {1}; }
  void forward(std::span<const Tensor> in, Tensor& out, const Pass&) const override {
    out[0] = 0;
    for (size_t i = 0; i < in[0].size(); ++i) out[0] += weight(i) * in[0][i];
  }
  void backward(std::span<const Tensor> in, const Tensor&, std::span<const Tensor>,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    Scalar* dx = grad[0].summable();
    for (size_t i = 0; i < in[0].size(); ++i) dx[i] += weight(i) * grad_out[0];
  }
  void ties(const Node&, std::span<const Shape>, Channels&) const override {}
  static Scalar weight(size_t i) { return static_cast<Scalar>(i + 1); }
};

Var weighted_sum(Var x) { return x.tape().apply(std::make_shared<WeightedSum>(), {x}); }

// The gradient by every wanted input when the op is applied `times` times to the same values.
std::vector<Tensor> gradients(const OpPtr& op, const OpCase& c, int times) {
  Tape tape(Mode::frozen);
  std::vector<Var> in;
  for (size_t i = 0; i < c.in.size(); ++i) {
    const Tensor copy = c.in[i].clone();
    in.push_back(c.wanted[i] ? tape.variable(copy) : tape.constant(copy));
  }
  Var sum = tape.apply(op, in);
  for (int k = 1; k < times; ++k) sum = add(sum, tape.apply(op, in));
  tape.backward(weighted_sum(sum));
  std::vector<Tensor> result;
  for (size_t i = 0; i < in.size(); ++i) {
    if (c.wanted[i]) result.push_back(in[i].grad());
  }
  return result;
}

}  // namespace

TEST_CASE("values that are read three times collect three gradients") {
  for (const OpRow& row : op_table()) {
    for (int i = 0; i < op_cases; ++i) {
      const OpCase c = draw_case(row, i);
      const OpPtr op = make_op(row.name, c.attributes);
      INFO(row.name << ", case " << i);
      const std::vector<Tensor> once = gradients(op, c, 1), thrice = gradients(op, c, 3);
      for (size_t k = 0; k < once.size(); ++k) {
        for (size_t e = 0; e < once[k].size(); ++e) once[k][e] *= 3;
        CHECK(max_abs_difference(once[k], thrice[k]) < 1e-8);
      }
    }
  }
}

TEST_CASE("one value in several places of one operation") {
  const Tensor x = Tensor::of({2, 3}, {1, -2, 3, -4, 5, -6});
  auto gradient = [&](const std::function<Var(Var)>& f) {
    Tape tape(Mode::training);
    const Var v = tape.variable(x.clone());
    tape.backward(weighted_sum(f(v)));
    return v.grad();
  };
  const Tensor sum = gradient([](Var v) { return add(v, v); });
  const Tensor square = gradient([](Var v) { return channel_scale(v, v); });
  const Tensor beside = gradient([](Var v) { return concat({v, v}); });
  for (size_t i = 0; i < x.size(); ++i) {
    const Scalar w = WeightedSum::weight(i);
    CHECK(sum[i] == 2 * w);
    CHECK(square[i] == 2 * w * x[i]);
    const size_t r = i / 3, c = i % 3;
    CHECK(beside[i] == WeightedSum::weight(r * 6 + c) + WeightedSum::weight(r * 6 + 3 + c));
  }
}

namespace {

// y = x^2, whose backward can be wrong in one of five ways.
class Square : public Op {
 public:
  enum Flaw { none, factor, one_element, forgets_fresh, forgets_to_add, moody };
  explicit Square(Flaw flaw) : flaw_(flaw) {}

  std::string_view name() const override { return "square"; }
  Shape infer(std::span<const Shape> in) const override { return in[0]; }
  void forward(std::span<const Tensor> in, Tensor& out, const Pass&) const override {
    for (size_t i = 0; i < out.size(); ++i) out[i] = in[0][i] * in[0][i];
  }
  void backward(std::span<const Tensor> in, const Tensor& out, std::span<const Tensor>,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    ++calls_;
    for (size_t i = 0; i < out.size(); ++i) {
      Scalar share = 2 * in[0][i] * grad_out[i];
      if (flaw_ == factor) share *= Scalar(1.01);
      if (flaw_ == one_element && i == 5) share = 0;
      if (flaw_ == moody) share *= 1 + Scalar(1e-12) * static_cast<Scalar>(calls_);
      const bool store = (grad[0].fresh && flaw_ != forgets_fresh) || flaw_ == forgets_to_add;
      grad[0].data()[i] = store ? share : grad[0].data()[i] + share;
    }
  }
  void ties(const Node&, std::span<const Shape>, Channels&) const override {}

 private:
  Flaw flaw_;
  mutable int calls_ = 0;
};

}  // namespace

TEST_CASE("gradcheck rejects wrong gradients") {
  Random random(3, Purpose::test);
  const Tensor x = op_table_detail::normal({2, 4}, random);
  CHECK_NOTHROW(gradcheck(Square(Square::none), {x}, {true}));
  for (const Square::Flaw flaw : {Square::factor, Square::one_element, Square::forgets_fresh,
                                  Square::forgets_to_add, Square::moody}) {
    INFO("flaw " << flaw);
    CHECK_THROWS_AS(gradcheck(Square(flaw), {x}, {true}), Error);
  }
}
