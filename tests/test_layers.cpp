// Layers: names and shapes of their parameters, what they compute, and the statistics of weights
// before training.
#include <algorithm>
#include <cmath>
#include <functional>

#include "engine/error.h"
#include "engine/graph.h"
#include "layers/basic.h"
#include "layers/init.h"
#include "tests/catch.h"
#include "tests/error_of.h"

using namespace bonsai;

namespace {

std::vector<std::string> names_of(Layer& layer) {
  std::vector<std::string> names;
  for (const Parameter* p : layer.parameters()) names.push_back(p->name);
  return names;
}

struct Moments {
  double mean = 0, deviation = 0, largest = 0;
};

Moments moments(const Tensor& t) {
  Moments m;
  const double n = static_cast<double>(t.size());
  for (size_t i = 0; i < t.size(); ++i) {
    m.mean += static_cast<double>(t[i]) / n;
    m.largest = std::max(m.largest, std::abs(static_cast<double>(t[i])));
  }
  for (size_t i = 0; i < t.size(); ++i) {
    m.deviation += std::pow(static_cast<double>(t[i]) - m.mean, 2) / n;
  }
  m.deviation = std::sqrt(m.deviation);
  return m;
}

// 64 x 3 x 3 x 32 weights: fan in 288, fan out 576.
Moments drawn(const std::function<void(const Tensor&, Random&)>& draw) {
  const Tensor w = Tensor::uninitialized({64, 3, 3, 32});
  Random random(7, Purpose::test);
  draw(w, random);
  return moments(w);
}

// 18,432 numbers: the mean is within 4 standard errors, the extreme one near 4 deviations.
void check_normal(const Moments& m, double deviation) {
  CHECK(std::abs(m.mean) < deviation / 33);
  CHECK(m.deviation == Approx(deviation).epsilon(0.02));
  CHECK(m.largest > 3.3 * deviation);
  CHECK(m.largest < 5.5 * deviation);
}

void check_uniform(const Moments& m, double bound) {
  CHECK(std::abs(m.mean) < bound / 50);
  CHECK(m.deviation == Approx(bound / std::sqrt(3.0)).epsilon(0.02));
  CHECK(m.largest > 0.99 * bound);
  CHECK(m.largest <= bound * (1 + 1e-6));
}

}  // namespace

TEST_CASE("parameters carry the path of their layer") {
  Random init(1, Purpose::init);
  struct Net : Module {
    explicit Net(Random& init_) {
      auto features = std::make_unique<Sequential>();
      features->add<Conv2d>(3, 4, 3, ConvOptions{}, init_);
      features->add<Relu>();
      features->add_named<ConvBnRelu>("block", 4, 6, 1, ConvOptions{}, init_);
      features->append("last", std::make_unique<Linear>(6, 2, init_, false));
      all = &adopt("features", std::move(features));
    }
    Var forward(Var x) override { return all->forward(x); }
    Layer* all;
  } net(init);
  CHECK(names_of(net) ==
        std::vector<std::string>{"features.0.weight", "features.0.bias",
                                 "features.block.conv.weight", "features.block.bn.weight",
                                 "features.block.bn.bias", "features.block.bn.running_mean",
                                 "features.block.bn.running_var", "features.last.weight"});
}

TEST_CASE("weights have the documented shapes, and buffers are not trained") {
  Random init(1, Purpose::init);
  Conv2d conv(6, 8, 3, {.groups = 2}, init);
  CHECK(conv.parameters()[0]->value.shape() == Shape{8, 3, 3, 3});
  CHECK(conv.parameters()[1]->value.shape() == Shape{8});
  Linear fc(6, 4, init);
  CHECK(fc.parameters()[0]->value.shape() == Shape{4, 6});
  BatchNorm bn(5);
  std::vector<bool> trainable;
  for (const Parameter* p : bn.parameters()) trainable.push_back(p->trainable);
  CHECK(trainable == std::vector<bool>{true, true, false, false});
}

TEST_CASE("layers compute what their names say") {
  Random init(1, Purpose::init);
  Sequential net;
  net.add<ConvBnRelu>(3, 8, 3, ConvOptions{.stride = 2, .padding = 1}, init);
  net.add<MaxPool>();
  net.add<AveragePool>(PoolOptions{.kernel = 3, .stride = 1, .padding = 1});
  net.add<LeakyRelu>(0.1F);
  net.add<Sigmoid>();
  net.add<HardSwish>();
  net.add<Relu6>();
  net.add<Dropout>(0.5F);
  net.add<Flatten>();
  net.add<Linear>(4 * 4 * 8, 5, init);
  const Graph graph = trace(net, {1, 16, 16, 3});
  CHECK(graph.output_shape() == Shape{1, 5});
  std::vector<std::string> ops;
  for (const Node& node : graph.nodes) ops.emplace_back(node.op->name());
  CHECK(ops == std::vector<std::string>{"conv2d", "batch_norm", "relu", "max_pool", "average_pool",
                                        "leaky_relu", "sigmoid", "hard_swish", "relu6", "dropout",
                                        "flatten", "linear"});
  Sequential head;
  head.add<GlobalAveragePool>();
  CHECK(trace(head, {1, 4, 4, 3}).output_shape() == Shape{1, 3});
}

TEST_CASE("a channel shuffle deals out its groups in turn, and C / groups of them undo it") {
  const auto shuffled = [](int groups, const Tensor& x) {
    Tape tape(Mode::inference);
    return channel_shuffle(tape.constant(x), groups).value().clone();
  };
  const Tensor x = Tensor::of({1, 1, 1, 6}, {0, 1, 2, 3, 4, 5});
  CHECK(max_abs_difference(shuffled(2, x), Tensor::of({1, 1, 1, 6}, {0, 3, 1, 4, 2, 5})) == 0);
  CHECK(max_abs_difference(shuffled(3, x), Tensor::of({1, 1, 1, 6}, {0, 2, 4, 1, 3, 5})) == 0);
  CHECK(max_abs_difference(shuffled(3, shuffled(2, x)), x) == 0);
  CHECK(max_abs_difference(shuffled(1, x), x) == 0);
  CHECK(max_abs_difference(shuffled(6, x), x) == 0);
  CHECK(error_of([&] { shuffled(4, x); }) ==
        "channel_shuffle: 4 groups should divide the 6 channels of [1, 1, 1, 6]");
  CHECK_THROWS_AS(shuffled(0, x), Error);
  CHECK_THROWS_AS(channel_shuffle(Var(), 2), Error);
}

TEST_CASE("a layer applied to nothing, or with impossible sizes, says so") {
  Random init(1, Purpose::init);
  CHECK_THROWS_AS(Conv2d(3, 0, 3, {}, init), Error);
  CHECK_THROWS_AS(Conv2d(3, 4, 3, {.groups = 2}, init), Error);
  Sequential net;
  CHECK(error_of([&] {
          net.add_named<ConvBnRelu>("stem", 3, 4, 3, ConvOptions{.groups = 2}, init);
        }) == "stem: conv: convolution: 2 groups should divide 3 and 4 channels");
  CHECK(net.size() == 0);
  CHECK_THROWS_AS(Linear(0, 4, init), Error);
  Linear fc(3, 4, init);
  CHECK_THROWS_AS(fc.forward(Var()), Error);
}

TEST_CASE("initial weights have the distribution of their formula") {
  check_normal(drawn([](const Tensor& w, Random& r) { kaiming_normal(w, Fan::in, r); }),
               std::sqrt(2.0 / 288));
  check_normal(drawn([](const Tensor& w, Random& r) { kaiming_normal(w, Fan::out, r); }),
               std::sqrt(2.0 / 576));
  check_normal(drawn([](const Tensor& w, Random& r) { xavier_normal(w, r); }),
               std::sqrt(2.0 / (288 + 576)));
  check_normal(drawn([](const Tensor& w, Random& r) { normal(w, 0.01F, r); }), 0.01);
  check_uniform(drawn([](const Tensor& w, Random& r) { kaiming_uniform(w, Fan::out, r, 1); }),
                std::sqrt(3.0 / 576));
  check_uniform(drawn([](const Tensor& w, Random& r) { xavier_uniform(w, r); }),
                std::sqrt(6.0 / (288 + 576)));
  check_uniform(drawn([](const Tensor& w, Random& r) { uniform_fan_in(w, 288, r); }),
                std::sqrt(1.0 / 288));
}

TEST_CASE("fans count as in PyTorch") {
  CHECK(fan(Tensor({128, 3, 3, 1}), Fan::in) == 9);      // depthwise
  CHECK(fan(Tensor({128, 3, 3, 1}), Fan::out) == 1152);  // not divided by the groups
  CHECK(fan(Tensor({10, 512}), Fan::in) == 512);
  CHECK(fan(Tensor({10, 512}), Fan::out) == 10);
  CHECK_THROWS_AS(fan(Tensor({10}), Fan::in), Error);
}

TEST_CASE("the seed decides the weights") {
  auto weights = [](uint64_t seed) {
    Random init(seed, Purpose::init);
    return Linear(8, 8, init).parameters()[0]->value;
  };
  CHECK(max_abs_difference(weights(1), weights(1)) == 0);
  CHECK(max_abs_difference(weights(1), weights(2)) > 0);
}
