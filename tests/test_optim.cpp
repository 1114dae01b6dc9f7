// Optimisers against plain formulas in double precision, and against numbers that PyTorch gave.
#include "layers/optim.h"

#include <array>
#include <cmath>

#include "engine/error.h"
#include "engine/parallel.h"
#include "engine/random.h"
#include "tests/catch.h"
#include "tests/error_of.h"

using namespace bonsai;

namespace {

constexpr int steps = 20;

Parameter parameter(std::string name, Shape shape, uint64_t seed) {
  Parameter p{.name = std::move(name), .value = Tensor::uninitialized(std::move(shape))};
  Random random(seed, Purpose::test);
  for (size_t i = 0; i < p.value.size(); ++i) p.value[i] = random.normal();
  return p;
}

// The weights after 20 steps whose gradients are drawn by (step, place).
std::vector<double> by_optimiser(const OptimiserOptions& options, Parameter& p) {
  const auto optimiser = make_optimiser({&p}, options);
  p.grad = Tensor(p.value.shape());
  for (int t = 0; t < steps; ++t) {
    Random random(3, Purpose::test, static_cast<uint64_t>(t));
    for (size_t i = 0; i < p.grad.size(); ++i) p.grad[i] = random.normal();
    optimiser->step(0.05F / static_cast<float>(t + 1));
  }
  return {p.value.data(), p.value.data() + p.value.size()};
}

// The same, one number at a time, by the definitions in the header.
std::vector<double> by_definition(const OptimiserOptions& o, const Parameter& p, bool decays) {
  std::vector<double> w(p.value.data(), p.value.data() + p.value.size());
  std::vector<double> m(w.size()), v(w.size());
  const double wd = decays ? static_cast<double>(o.weight_decay) : 0;
  const double b1 = static_cast<double>(o.beta1), b2 = static_cast<double>(o.beta2);
  const double momentum = static_cast<double>(o.momentum), eps = static_cast<double>(o.eps);
  for (int t = 0; t < steps; ++t) {
    const double lr = static_cast<double>(0.05F / static_cast<float>(t + 1));
    Random random(3, Purpose::test, static_cast<uint64_t>(t));
    for (size_t i = 0; i < w.size(); ++i) {
      double g = static_cast<double>(random.normal());
      if (o.kind == OptimiserKind::adamw) {
        w[i] -= lr * wd * w[i];
      } else {
        g += wd * w[i];
      }
      if (o.kind == OptimiserKind::sgd) {
        m[i] = momentum * m[i] + g;
        w[i] -= lr * (o.nesterov ? g + momentum * m[i] : m[i]);
      } else {
        m[i] = b1 * m[i] + (1 - b1) * g;
        v[i] = b2 * v[i] + (1 - b2) * g * g;
        w[i] -= lr * (m[i] / (1 - std::pow(b1, t + 1))) /
                (std::sqrt(v[i] / (1 - std::pow(b2, t + 1))) + eps);
      }
    }
  }
  return w;
}

double difference(const std::vector<double>& a, const std::vector<double>& b) {
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
  return worst;
}

// An odd size, longer than one chunk of the parallel loop.
const Shape matrix = {201, 257};

double error_of(const OptimiserOptions& options, const Shape& shape, bool decays) {
  Parameter p = parameter("w", shape, 5), q = parameter("w", shape, 5);
  return difference(by_optimiser(options, p), by_definition(options, q, decays));
}

// Four weights, gradients cos(t / 2 + place), learning rate 0.1, weight decay 0.05.
std::array<double, 4> torch_case(OptimiserOptions options) {
  options.weight_decay = 0.05F;
  Parameter p{.name = "w", .value = Tensor::of({4}, {0.5F, -1.25F, 2.0F, -0.125F})};
  p.grad = Tensor({4});
  const auto optimiser = make_optimiser({&p}, options);
  for (int t = 0; t < steps; ++t) {
    for (size_t i = 0; i < 4; ++i) {
      p.grad[i] = static_cast<Scalar>(std::cos(0.5 * t + static_cast<double>(i)));
    }
    optimiser->step(0.1F);
  }
  return {p.value[0], p.value[1], p.value[2], p.value[3]};
}

void check_torch(const OptimiserOptions& options, const std::array<double, 4>& expected) {
  const std::array<double, 4> found = torch_case(options);
  for (size_t i = 0; i < 4; ++i) CHECK(found[i] == Approx(expected[i]).margin(2e-6));
}

}  // namespace

TEST_CASE("twenty steps agree with the formulas") {
  const OptimiserOptions nesterov{.weight_decay = 0.1F};
  CHECK(error_of(nesterov, matrix, true) < 4e-6);
  CHECK(error_of({.nesterov = false, .weight_decay = 0.1F}, matrix, true) < 4e-6);
  CHECK(error_of({.momentum = 0, .nesterov = false}, matrix, true) < 4e-6);
  CHECK(error_of({.kind = OptimiserKind::adam, .weight_decay = 0.1F}, matrix, true) < 4e-6);
  CHECK(error_of({.kind = OptimiserKind::adamw, .weight_decay = 0.1F}, matrix, true) < 4e-6);
  // The formula of another optimiser is told apart.
  Parameter p = parameter("w", matrix, 5), q = parameter("w", matrix, 5);
  CHECK(difference(by_optimiser(nesterov, p), by_definition({.nesterov = false}, q, true)) > 1e-3);
}

TEST_CASE("twenty steps agree with PyTorch") {
  check_torch({.momentum = 0, .nesterov = false},
              {0.475322778, -0.807538072, 2.135481880, -0.083742285});
  check_torch({.nesterov = false}, {-0.316741830, 0.382659279, 2.589052334, 0.708110971});
  check_torch({}, {-0.202767345, 0.560744422, 2.603042340, 0.604352018});
  check_torch({.kind = OptimiserKind::adam}, {0.091501928, -0.885148873, 2.524812258, 0.305779264});
  check_torch({.kind = OptimiserKind::adamw},
              {0.093789085, -0.919256728, 2.519214828, 0.306459370});
}

TEST_CASE("weight decay can spare norms and biases") {
  const OptimiserOptions spared{.weight_decay = 0.3F, .decay_norm_and_bias = false};
  CHECK(error_of(spared, {1000}, false) < 4e-6);
  CHECK(error_of(spared, {10, 100}, true) < 4e-6);
  CHECK(error_of({.weight_decay = 0.3F}, {1000}, true) < 4e-6);
}

TEST_CASE("biases can learn at another rate, with the same decay per step") {
  const OptimiserOptions usual{.momentum = 0, .nesterov = false, .weight_decay = 0.1F};
  OptimiserOptions quick = usual;
  quick.bias_rate = 8;
  const auto moved = [](const std::string& name, const OptimiserOptions& options, Scalar grad) {
    Parameter p{.name = name, .value = Tensor({1}, 1), .grad = Tensor({1}, grad)};
    make_optimiser({&p}, options)->step(0.5F);
    return 1 - p.value[0];
  };
  for (const std::string name : {"bias", "block.norm.bias"}) {
    CHECK(moved(name, usual, 0.25F) == Approx(0.5 * (0.25 + 0.1)));
    CHECK(moved(name, quick, 0.25F) == Approx(0.5 * (8 * 0.25 + 0.1)));
    CHECK(moved(name, quick, 0) == Approx(0.5 * 0.1));
  }
  CHECK(moved("block.unbias", quick, 0.25F) == Approx(0.5 * (0.25 + 0.1)));
  CHECK_THROWS_AS(moved("bias", {.bias_rate = 0}, 1), Error);
  CHECK_THROWS_AS(moved("bias", {.kind = OptimiserKind::adam, .bias_rate = 8}, 1), Error);
}

TEST_CASE("buffers and parameters without a gradient stay as they are") {
  Parameter buffer = parameter("running_mean", {8}, 1), unreached = parameter("unused", {8}, 2);
  buffer.trainable = false;
  buffer.grad = Tensor({8}, 1);
  const Tensor before = buffer.value.clone(), before2 = unreached.value.clone();
  const auto optimiser = make_optimiser({&buffer, &unreached}, {});
  optimiser->step(0.1F);
  CHECK(max_abs_difference(before, buffer.value) == 0);
  CHECK(max_abs_difference(before2, unreached.value) == 0);
}

TEST_CASE("an optimiser goes on from its saved state") {
  for (const auto kind : {OptimiserKind::sgd, OptimiserKind::adam, OptimiserKind::adamw}) {
    Parameter a = parameter("w", {33}, 1), b = parameter("w", {33}, 1);
    a.grad = b.grad = Tensor({33}, 0.5F);
    const auto whole = make_optimiser({&a}, {.kind = kind});
    for (int t = 0; t < 4; ++t) whole->step(0.1F);
    const auto first = make_optimiser({&b}, {.kind = kind});
    for (int t = 0; t < 2; ++t) first->step(0.1F);
    const auto second = make_optimiser({&b}, {.kind = kind});
    second->set_steps(first->steps());
    const auto saved = first->state(), restored = second->state();
    REQUIRE(saved.size() == restored.size());
    for (size_t i = 0; i < saved.size(); ++i) {
      CHECK(saved[i].first == restored[i].first);
      CHECK(saved[i].first.starts_with("w."));
      restored[i].second.copy_from(saved[i].second);
    }
    for (int t = 0; t < 2; ++t) second->step(0.1F);
    CHECK(max_abs_difference(a.value, b.value) == 0);
  }
}

TEST_CASE("the number of threads does not change an update", "[threads]") {
  std::vector<std::vector<double>> results;
  const int before = thread_count();
  for (const int threads : {1, 2, 3}) {
    set_thread_count(threads);
    Parameter p = parameter("w", matrix, 5);
    results.push_back(by_optimiser({}, p));
  }
  set_thread_count(before);
  CHECK(results[0] == results[1]);
  CHECK(results[0] == results[2]);
}

TEST_CASE("optimiser options out of range are refused") {
  CHECK_THROWS_AS(make_optimiser({}, {.momentum = 1}), Error);
  CHECK_THROWS_AS(make_optimiser({}, {.beta2 = 1}), Error);
  CHECK_THROWS_AS(make_optimiser({}, {.eps = 0}), Error);
  CHECK_THROWS_AS(make_optimiser({}, {.weight_decay = -1}), Error);
}
