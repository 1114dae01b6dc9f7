// The tape: what it records, what it differentiates, what it frees, and what it refuses. A chain
// of all kinds of layers gives the same bits for any number of threads.
#include "engine/tape.h"

#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "engine/ops.h"
#include "engine/parallel.h"
#include "engine/random.h"
#include "engine/storage.h"
#include "tests/catch.h"
#include "tests/error_of.h"

using namespace bonsai;

namespace {

Tensor random_tensor(Shape shape, uint32_t which) {
  Random random(9, Purpose::test, 0, which);
  Tensor t = Tensor::uninitialized(std::move(shape));
  for (size_t i = 0; i < t.size(); ++i) t[i] = random.normal();
  return t;
}

Parameter parameter(const char* name, Tensor value, bool trainable = true) {
  return {.name = name, .value = std::move(value), .trainable = trainable};
}

// sum(k * x) over [1, K]
Var dot(Var x, std::vector<Scalar> k) {
  const int n = static_cast<int>(k.size());
  return linear(x, x.tape().constant(Tensor::of({1, n}, k)), {});
}

}  // namespace

TEST_CASE("derivatives reach variables and trainable parameters only") {
  Parameter w = parameter("w", Tensor::of({3}, {1, 2, 3}));
  Parameter fixed = parameter("fixed", Tensor::of({3}, {4, 5, 6}), false);
  Tape tape(Mode::training);
  const Var x = tape.variable(Tensor::of({1, 3}, {7, 8, 9}));
  const Var c = tape.constant(Tensor({1, 3}, 1));
  const Var y = channel_scale(channel_scale(add(x, c), tape.use(w)), tape.use(fixed));
  tape.backward(dot(y, {1, 1, 1}));
  CHECK(max_abs_difference(x.grad(), Tensor::of({1, 3}, {4, 10, 18})) == 0);
  CHECK(max_abs_difference(w.grad, Tensor::of({3}, {32, 45, 60})) == 0);
  CHECK_FALSE(fixed.grad.defined());
  CHECK_FALSE(c.grad().defined());
}

TEST_CASE("a parameter collects gradients over its uses and over tapes") {
  Parameter w = parameter("w", Tensor::of({2}, {1, 2}));
  for (const Scalar round : {Scalar{1}, Scalar{2}}) {
    Tape tape(Mode::training);
    const Var x = tape.constant(Tensor({1, 2}, 3));
    CHECK(tape.use(w).index() == tape.use(w).index());
    const Var twice = channel_scale(channel_scale(x, tape.use(w)), tape.use(w));  // 3 w^2
    tape.backward(dot(twice, {1, 1}));
    CHECK(w.grad[0] == 6 * round);
    CHECK(w.grad[1] == 12 * round);
  }
}

TEST_CASE("branches that the loss does not read cost nothing and change nothing") {
  Tape tape(Mode::training);
  const Var x = tape.variable(Tensor({1, 2}, 2)), unread = tape.variable(Tensor({1, 2}, 2));
  const Var dead = channel_scale(x, unread);
  tape.backward(dot(x, {1, 5}));
  CHECK(x.grad()[1] == 5);
  CHECK_FALSE(unread.grad().defined());
  CHECK_FALSE(dead.grad().defined());
}

TEST_CASE("backward frees what it has passed") {
  Tape tape(Mode::training);
  Var x = tape.variable(Tensor({1, 100, 100, 10}, 1));
  const size_t one = x.value().size() * sizeof(Scalar);
  for (int i = 0; i < 10; ++i) x = relu(x);
  const Var flat = flatten(x);
  const Var loss = linear(flat, tape.constant(Tensor({1, 100000}, 1)), {});
  loss.value();
  reset_storage_peak();
  const size_t before = storage_stats().live_bytes;
  tape.backward(loss);
  CHECK(storage_stats().peak_bytes < before + 3 * one);  // two gradients at a time
  CHECK(storage_stats().live_bytes < before - 9 * one);
}

TEST_CASE("a tape of shapes records without computing") {
  Tape tape(Mode::shapes);
  const Var x = tape.placeholder({1, 8, 8, 3});
  const Var y = flatten(max_pool(relu(x)));
  CHECK(y.shape() == Shape{1, 48});
  CHECK(tape.nodes().size() == 3);
  CHECK(tape.nodes()[2].in == std::vector<int>{2});
  CHECK(tape.nodes()[2].out == y.index());
  CHECK(tape.nodes()[1].op->name() == "max_pool");
  CHECK(error_of([&] { y.value(); }) == "tape: value 3 holds no data (a trace, or after backward)");
}

TEST_CASE("a value stays where it is while the tape grows") {
  Tape tape(Mode::training);
  Var x = tape.variable(Tensor({1, 2}, 3));
  const Tensor& value = x.value();
  const Shape& shape = x.shape();
  for (int i = 0; i < 200; ++i) x = relu(x);
  CHECK(value[1] == 3);
  CHECK(shape == Shape{1, 2});
}

TEST_CASE("a tape is walked once") {
  Tape tape(Mode::training);
  const Var loss = global_average_pool(relu(tape.variable(Tensor({1, 1, 1, 1}, 2))));
  tape.backward(loss);
  CHECK(error_of([&] { tape.backward(loss); }) == "backward: this tape has been walked before");
}

TEST_CASE("the tape refuses misuse") {
  Tape tape(Mode::training), other(Mode::training), inference(Mode::inference);
  const Var x = tape.variable(Tensor({1, 2}, 1)), z = other.variable(Tensor({1, 2}, 1));
  CHECK(error_of([&] { add(x, z); }) == "add: an input belongs to another tape");
  CHECK(error_of([&] { add(x, {}); }) == "add: an input belongs to another tape");
  CHECK(error_of([&] { tape.backward(x); }) ==
        "backward: the loss has shape [1, 2], should be a single number");
  CHECK(error_of([&] {
          tape.backward(dot(tape.constant(Tensor({1, 1}, 1)), {1}));
        }) == "backward: the loss depends on no parameter");
  const Var v = inference.variable(Tensor({1, 1}, 1));
  CHECK(error_of([&] { inference.backward(v); }) ==
        "backward: the tape was recorded without gradients");
}

namespace {

// A loss through every kind of operation, on maps large enough for many chunks.
std::vector<Tensor> all_operations(uint64_t seed) {
  std::vector<Parameter> p;
  p.reserve(16);
  uint32_t which = 0;
  auto random = [&](Shape shape) {
    p.push_back(parameter("p", random_tensor(std::move(shape), ++which)));
    return &p.back();
  };
  Parameter *w = random({24, 3, 3, 8}), *depth = random({24, 3, 3, 1});
  Parameter* point = random({24, 1, 1, 24});
  Parameter *gamma = random({24}), *beta = random({24}), *s = random({24}), *fc = random({10, 192});
  Parameter *bias = random({10}), *squeeze = random({24, 24});
  Parameter mean = parameter("mean", Tensor({24}), false);
  Parameter var = parameter("var", Tensor({24}, 1), false);
  Tape tape(Mode::training, seed);
  auto use = [&](Parameter* one) { return tape.use(*one); };
  Var x = tape.variable(random_tensor({6, 33, 31, 8}, 99));
  Var y = conv2d(x, use(w), {}, {.padding = 1});
  y = relu(batch_norm(y, use(gamma), use(beta), tape.use(mean), tape.use(var)));
  Var z = hard_swish(conv2d(y, use(depth), {}, {.padding = 1, .groups = 24}));
  z = leaky_relu(conv2d(z, use(point), {}));
  y = add(y, channel_scale(z, use(s)));
  const Var gate = sigmoid(linear(global_average_pool(y), use(squeeze), {}));
  y = relu6(channel_scale(y, gate));
  y = concat({max_pool(y, {3, 2, 1}), average_pool(y, {3, 2, 1})});
  y = select(y, permutation(48, Random(1, Purpose::test)));
  y = flatten(average_pool(dropout(y, 0.2F), {8, 8, 0}));
  const Var logits = linear(y, use(fc), use(bias));
  const Var loss = cross_entropy(logits, tape.constant(Tensor::of({6}, {0, 1, 2, 9, 4, 5})), 0.1F);
  std::vector<Tensor> results{loss.value().clone(), softmax(logits).value().clone(), mean.value,
                              var.value};
  tape.backward(loss);
  results.push_back(x.grad());
  for (const Parameter& one : p) results.push_back(one.grad);
  return results;
}

bool same_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  bool same = a.size() == b.size();
  for (size_t i = 0; same && i < a.size(); ++i) {
    same = a[i].shape() == b[i].shape() &&
           std::memcmp(a[i].data(), b[i].data(), a[i].size() * sizeof(Scalar)) == 0;
  }
  return same;
}

}  // namespace

TEST_CASE("all operations give the same bits for any number of threads", "[threads]") {
  const int before = thread_count();
  set_thread_count(1);
  const std::vector<Tensor> expected = all_operations(1);
  for (const Tensor& t : expected) {
    REQUIRE(t.defined());
    for (size_t i = 0; i < t.size(); ++i) REQUIRE(std::isfinite(t[i]));
  }
  for (const int threads : {1, 2, 3, 5}) {
    set_thread_count(threads);
    CHECK(same_bits(all_operations(1), expected));
  }
  CHECK_FALSE(same_bits(all_operations(2), expected));  // other elements are dropped
  set_thread_count(before);
}
