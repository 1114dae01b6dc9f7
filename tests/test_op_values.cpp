// Each operation's result against a plain loop or a closed form.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/ops.h"
#include "engine/parallel.h"
#include "engine/random.h"
#include "tests/catch.h"

using namespace bonsai;

namespace {

const Scalar not_a_number = std::numeric_limits<Scalar>::quiet_NaN();

Tensor random_tensor(Shape shape, Random& random) {
  Tensor t = Tensor::uninitialized(std::move(shape));
  for (size_t i = 0; i < t.size(); ++i) t[i] = random.normal();
  return t;
}

// f of x in inference mode.
Tensor apply(const std::function<Var(Var)>& f, const Tensor& x) {
  Tape tape(Mode::inference);
  return f(tape.constant(x)).value().clone();
}

// The gradient of sum(f(x)) by x, for a batch of one.
Tensor gradient_of_sum(const std::function<Var(Var)>& f, const Tensor& x) {
  Tape tape(Mode::training, 1);
  const Var v = tape.variable(x.clone());
  const Var y = flatten(f(v));
  tape.backward(linear(y, tape.constant(Tensor({1, y.shape()[1]}, 1)), {}));
  return v.grad();
}

// The offset of element (n, h, w, c).
size_t at(const Shape& s, int n, int h, int w, int c) {
  return static_cast<size_t>(((n * s[1] + h) * s[2] + w) * s[3] + c);
}

}  // namespace

TEST_CASE("linear is a matrix product and a bias") {
  Random random(1, Purpose::test);
  const Tensor x = random_tensor({5, 37}, random), w = random_tensor({70, 37}, random);
  const Tensor b = random_tensor({70}, random);
  const Tensor y =
      apply([&](Var v) { return linear(v, v.tape().constant(w), v.tape().constant(b)); }, x);
  REQUIRE(y.shape() == Shape{5, 70});
  for (size_t n = 0; n < 5; ++n) {
    for (size_t o = 0; o < 70; ++o) {
      double sum = b[o];
      for (size_t i = 0; i < 37; ++i) sum += double{x[n * 37 + i]} * double{w[o * 37 + i]};
      REQUIRE(y[n * 70 + o] == Approx(sum).margin(1e-5));
    }
  }
}

TEST_CASE("activations have their values, and pass on what is not a number") {
  const Tensor x = Tensor::of({8}, {-5, -2, -1, 0, 1, 4, 7, not_a_number});
  auto check = [&](const std::function<Var(Var)>& f, const std::vector<double>& expected) {
    const Tensor y = apply(f, x);
    for (size_t i = 0; i < expected.size(); ++i) CHECK(y[i] == Approx(expected[i]).margin(1e-6));
    CHECK(std::isnan(y[7]));
  };
  check(relu, {0, 0, 0, 0, 1, 4, 7});
  check(relu6, {0, 0, 0, 0, 1, 4, 6});
  check([](Var v) { return leaky_relu(v, 0.25F); }, {-1.25, -0.5, -0.25, 0, 1, 4, 7});
  check(sigmoid, {0.0066929, 0.1192029, 0.2689414, 0.5, 0.7310586, 0.9820138, 0.9990889});
  check(hard_swish, {0, -1.0 / 3, -1.0 / 3, 0, 2.0 / 3, 4, 7});
}

TEST_CASE("sigmoid neither overflows nor loses its ends") {
  const Tensor y = apply(sigmoid, Tensor::of({2}, {-200, 200}));
  CHECK(y[0] == 0);
  CHECK(y[1] == 1);
}

TEST_CASE("batch_norm normalises by the batch and moves the running statistics") {
  Random random(2, Purpose::test);
  for (const Shape& shape : {Shape{2, 5, 3, 7}, Shape{9, 33, 31, 3}, Shape{4, 11, 11, 700},
                             Shape{2, 1, 1, 5}, Shape{1, 2, 1, 1}, Shape{50, 12}}) {
    for (const Scalar offset : {0.0F, 1000.0F}) {
      INFO("shape " << join(shape) << " offset " << offset);
      const size_t c = static_cast<size_t>(shape.back());
      const Tensor x = random_tensor(shape, random);
      const Tensor vectors = random_tensor({3, shape.back()}, random);
      for (size_t i = 0; i < x.size(); ++i) x[i] += offset;
      auto vector = [&](size_t k) { return Tensor::view(vectors.data() + k * c, {shape.back()}); };
      const Tensor gamma = vector(0), beta = vector(1), mean = vector(2).clone();
      const Tensor var({shape.back()}, 2);
      Tape tape(Mode::training);
      const Tensor y = batch_norm(tape.constant(x), tape.constant(gamma), tape.constant(beta),
                                  tape.constant(mean), tape.constant(var), {.momentum = 0.25F})
                           .value();
      const double n = static_cast<double>(x.size() / c);
      for (size_t k = 0; k < c; k += 1 + c / 5) {
        double m = 0, squares = 0;
        for (size_t i = k; i < x.size(); i += c) m += x[i] / n;
        for (size_t i = k; i < x.size(); i += c) squares += (x[i] - m) * (x[i] - m);
        const double inverse = 1 / std::sqrt(squares / n + 1e-5);
        // A float mean of 1000 is off by up to 3e-5, which small batches blow up.
        const double limit = offset == 0 ? 1e-4 : 1e-3 * std::max(1.0, inverse);
        for (size_t i = k; i < x.size(); i += c * (1 + x.size() / c / 50)) {
          REQUIRE(y[i] == Approx(gamma[k] * (x[i] - m) * inverse + beta[k]).margin(limit));
        }
        REQUIRE(mean[k] == Approx(0.75 * vector(2)[k] + 0.25 * m).epsilon(1e-5).margin(1e-6));
        REQUIRE(var[k] == Approx(0.75 * 2 + 0.25 * squares / (n - 1)).epsilon(1e-4));
      }
    }
  }
}

TEST_CASE("batch_norm uses the running statistics outside training, and leaves them") {
  Random random(3, Purpose::test);
  const Tensor x = random_tensor({2, 3, 4, 5}, random), mean = random_tensor({5}, random);
  const Tensor var({5}, 2), gamma({5}, 3), beta({5}, 1), mean_before = mean.clone();
  for (const Mode mode : {Mode::inference, Mode::frozen}) {
    Tape tape(mode);
    const Tensor y = batch_norm(tape.constant(x), tape.variable(gamma), tape.constant(beta),
                                tape.constant(mean), tape.constant(var))
                         .value();
    for (size_t i = 0; i < x.size(); ++i) {
      REQUIRE(y[i] == Approx((x[i] - mean[i % 5]) / std::sqrt(2 + 1e-5) * 3 + 1).margin(1e-5));
    }
    CHECK(max_abs_difference(mean, mean_before) == 0);
    CHECK(var[0] == 2);
  }
}

TEST_CASE("pooling agrees with the plain loop") {
  Random random(4, Purpose::test);
  for (int i = 0; i < 60; ++i) {
    const int kernel = random.between(1, 4);
    const PoolOptions o{kernel, random.between(1, 5), random.between(0, kernel - 1)};
    const Shape s{random.between(1, 3), random.between(kernel, 9), random.between(kernel, 9),
                  random.between(1, 20)};
    const Tensor x = random_tensor(s, random);
    const Tensor largest = apply([&](Var v) { return max_pool(v, o); }, x);
    const Tensor mean = apply([&](Var v) { return average_pool(v, o); }, x);
    const Shape out{s[0], (s[1] + 2 * o.padding - kernel) / o.stride + 1,
                    (s[2] + 2 * o.padding - kernel) / o.stride + 1, s[3]};
    REQUIRE(largest.shape() == out);
    REQUIRE(mean.shape() == out);
    for (size_t e = 0; e < mean.size(); ++e) {
      const int c = static_cast<int>(e) % s[3], ox = static_cast<int>(e) / s[3] % out[2];
      const int oy = static_cast<int>(e) / s[3] / out[2] % out[1];
      const int n = static_cast<int>(e) / s[3] / out[2] / out[1];
      double sum = 0, most = -1e30;
      for (int h = oy * o.stride - o.padding; h < oy * o.stride - o.padding + kernel; ++h) {
        for (int w = ox * o.stride - o.padding; w < ox * o.stride - o.padding + kernel; ++w) {
          if (h < 0 || h >= s[1] || w < 0 || w >= s[2]) continue;
          sum += x[at(s, n, h, w, c)];
          most = std::max(most, static_cast<double>(x[at(s, n, h, w, c)]));
        }
      }
      REQUIRE(largest[e] == most);
      REQUIRE(mean[e] == Approx(sum / (kernel * kernel)).margin(1e-6));
    }
  }
}

TEST_CASE("max_pool: what is not a number wins, and the first of equals gets the gradient") {
  const Tensor x = Tensor::of({1, 2, 2, 2}, {1, 5, not_a_number, 5, 3, 5, 4, 5});
  CHECK(std::isnan(apply([](Var v) { return max_pool(v); }, x)[0]));
  CHECK(apply([](Var v) { return max_pool(v); }, x)[1] == 5);
  const Tensor equal({1, 3, 3, 1}, 2);
  const Tensor gradient = gradient_of_sum([](Var v) { return max_pool(v, {2, 1, 0}); }, equal);
  const Tensor expected = Tensor::of({1, 3, 3, 1}, {1, 1, 0, 1, 1, 0, 0, 0, 0});
  CHECK(max_abs_difference(gradient, expected) == 0);
}

TEST_CASE("global_average_pool is the mean over the map") {
  Random random(5, Purpose::test);
  for (const Shape& s : {Shape{3, 5, 7, 6}, Shape{1, 1, 1, 9}, Shape{2, 40, 40, 3}}) {
    const Tensor x = random_tensor(s, random), y = apply(global_average_pool, x);
    REQUIRE(y.shape() == Shape{s[0], s[3]});
    for (int n = 0; n < s[0]; ++n) {
      for (int c = 0; c < s[3]; ++c) {
        double sum = 0;
        for (int i = 0; i < s[1] * s[2]; ++i) sum += x[at(s, n, 0, i, c)];
        REQUIRE(y[static_cast<size_t>(n * s[3] + c)] == Approx(sum / (s[1] * s[2])).margin(1e-6));
      }
    }
  }
}

TEST_CASE("flatten keeps the order of memory") {
  Random random(6, Purpose::test);
  const Tensor x = random_tensor({2, 3, 5, 4}, random);
  const Tensor y = apply(flatten, x);
  CHECK(y.shape() == Shape{2, 60});
  CHECK(max_abs_difference(y, x.reshape({2, 60})) == 0);
}

TEST_CASE("add, concat, select and channel_scale move and combine channels") {
  Random random(7, Purpose::test);
  const Shape s{2, 3, 2, 4};
  const Tensor a = random_tensor(s, random), b = random_tensor(s, random);
  const Tensor factors = random_tensor({2, 4}, random);
  Tape tape(Mode::inference);
  const Var x = tape.constant(a), y = tape.constant(b), f = tape.constant(factors);
  const Tensor sum = add(x, y).value(), both = concat({x, y, x}).value();
  const Tensor some = select(x, {3, 0, 0}).value(), run = select(x, {1, 2}).value();
  const Tensor scaled = channel_scale(x, f).value();
  const Tensor scaled4 = channel_scale(x, tape.constant(factors.reshape({2, 1, 1, 4}))).value();
  const Tensor first = Tensor::view(factors.data(), {4});
  const Tensor shared = channel_scale(x, tape.constant(first)).value();
  REQUIRE(both.shape() == Shape{2, 3, 2, 12});
  REQUIRE(some.shape() == Shape{2, 3, 2, 3});
  for (size_t r = 0; r < 12; ++r) {
    for (size_t c = 0; c < 4; ++c) {
      const size_t i = r * 4 + c, image = r / 6;
      REQUIRE(sum[i] == a[i] + b[i]);
      REQUIRE(both[r * 12 + c] == a[i]);
      REQUIRE(both[r * 12 + 4 + c] == b[i]);
      REQUIRE(both[r * 12 + 8 + c] == a[i]);
      REQUIRE(scaled[i] == a[i] * factors[image * 4 + c]);
      REQUIRE(scaled4[i] == scaled[i]);
      REQUIRE(shared[i] == a[i] * factors[c]);
    }
    REQUIRE(some[r * 3] == a[r * 4 + 3]);
    REQUIRE(some[r * 3 + 1] == a[r * 4]);
    REQUIRE(some[r * 3 + 2] == a[r * 4]);
    REQUIRE(run[r * 2] == a[r * 4 + 1]);
    REQUIRE(run[r * 2 + 1] == a[r * 4 + 2]);
  }
}

TEST_CASE("pad_channels appends zeros, also over what was there, and drops their gradients") {
  Random random(8, Purpose::test);
  const Tensor x = random_tensor({1, 3, 2, 4}, random);
  const Tensor y = apply([](Var v) { return pad_channels(v, 3); }, x);
  REQUIRE(y.shape() == Shape{1, 3, 2, 7});
  for (size_t i = 0; i < y.size(); ++i) {
    REQUIRE(y[i] == (i % 7 < 4 ? x[i / 7 * 4 + i % 7] : Scalar{0}));
  }
  CHECK(max_abs_difference(apply([](Var v) { return pad_channels(v, 0); }, x), x) == 0);
  const Tensor gradient = gradient_of_sum([](Var v) { return pad_channels(v, 3); }, x);
  CHECK(max_abs_difference(gradient, Tensor(x.shape(), 1)) == 0);
}

TEST_CASE("softmax is stable and sums to one") {
  const Tensor y = apply(softmax, Tensor::of({2, 3}, {1000, 1000, 1000, -1000, 0, std::log(3.0F)}));
  for (size_t k = 0; k < 3; ++k) CHECK(y[k] == Approx(1.0 / 3));
  CHECK(y[3] == 0);
  CHECK(y[4] == Approx(0.25));
  CHECK(y[5] == Approx(0.75));
}

TEST_CASE("cross_entropy has its closed forms") {
  auto loss = [](const Tensor& logits, const Tensor& labels, float smoothing) {
    Tape tape(Mode::inference);
    return double{
        cross_entropy(tape.constant(logits), tape.constant(labels), smoothing).value().item()};
  };
  const Tensor labels = Tensor::of({2}, {0, 6});
  for (const float smoothing : {0.0F, 0.1F, 1.0F}) {
    CHECK(loss(Tensor({2, 7}, 3), labels, smoothing) == Approx(std::log(7.0)));
  }
  CHECK(loss(Tensor::of({1, 2}, {1000, 0}), Tensor::of({1}, {1}), 0) == Approx(1000));
  CHECK(loss(Tensor::of({1, 2}, {1000, 0}), Tensor::of({1}, {0}), 0) == Approx(0).margin(1e-6));
  // log sum exp = log 4; the target is 0.9 + 0.1 / 2 on the label and 0.1 / 2 on the other.
  const Tensor z = Tensor::of({1, 2}, {std::log(3.0F), 0});
  CHECK(loss(z, Tensor::of({1}, {0}), 0.1F) == Approx(std::log(4.0) - 0.95 * std::log(3.0)));
}

TEST_CASE("cross_entropy of pixels is that of as many pictures") {
  Random random(9, Purpose::test);
  const Tensor logits = random_tensor({2, 3, 4, 5}, random);
  const Tensor labels({2, 3, 4});
  for (size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<Scalar>(random.below(5));
  Tape t(Mode::inference);
  const auto loss = [&](const Tensor& z, const Tensor& l) {
    return cross_entropy(t.constant(z), t.constant(l), 0.1F).value().item();
  };
  CHECK(loss(logits, labels) == loss(logits.reshape({24, 5}), labels.reshape({24})));
}

TEST_CASE("mean_squared_error is the mean of the squares") {
  Tape t(Mode::training);
  const Var x = t.variable(Tensor::of({1, 2, 2}, {1, 2, 3, 4}));
  const Var loss = mean_squared_error(x, t.constant(Tensor::of({1, 2, 2}, {1, 0, 3, 7})));
  CHECK(loss.value().item() == Scalar(13) / 4);
  t.backward(loss);
  CHECK(max_abs_difference(x.grad(), Tensor::of({1, 2, 2}, {0, 1, 0, Scalar(-1.5)})) == 0);
}

TEST_CASE("dropout zeroes its share, keeps the mean, and is the same on any number of threads") {
  const int before = thread_count();
  const Tensor x({1, 100, 100, 10}, 1);
  auto run = [&](uint64_t seed, uint64_t step) {
    Tape tape(Mode::training, seed, step);
    return dropout(tape.constant(x), 0.3F).value();
  };
  set_thread_count(1);
  const Tensor y = run(1, 2);
  double zeros = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    zeros += y[i] == 0;
    REQUIRE((y[i] == 0 || y[i] == Approx(1 / 0.7)));
  }
  CHECK(std::abs(zeros - 30000) < 5 * std::sqrt(100000 * 0.3 * 0.7));
  set_thread_count(3);
  CHECK(max_abs_difference(run(1, 2), y) == 0);
  set_thread_count(before);
  CHECK(max_abs_difference(run(1, 3), y) > 1);
  CHECK(max_abs_difference(run(2, 2), y) > 1);
  Tape tape(Mode::training, 1, 2);
  const Var v = tape.constant(x);
  const Tensor here = dropout(v, 0.3F).value(), there = dropout(v, 0.3F).value();
  CHECK(max_abs_difference(here, there) > 1);
  CHECK(max_abs_difference(dropout(v, 0).value(), x) == 0);
  CHECK(max_abs_difference(apply([](Var w) { return dropout(w, 0.3F); }, x), x) == 0);
  // Backward lets through what forward let through.
  const Tensor gradient = gradient_of_sum([](Var w) { return dropout(w, 0.3F); }, x);
  Tape again(Mode::training, 1);
  CHECK(max_abs_difference(gradient, dropout(again.constant(x), 0.3F).value()) == 0);
}
