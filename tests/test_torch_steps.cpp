// One training step of each family's narrow network against PyTorch, computed there in double
// precision (tests/fixtures/training_step.py), every number of it.
#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/graph.h"
#include "engine/ops.h"
#include "engine/passes.h"
#include "tests/catch.h"
#include "tests/compare_graphs.h"
#include "tests/training_step.h"
#include "zoo/densenet.h"
#include "zoo/igc.h"
#include "zoo/igcv3.h"
#include "zoo/mobilenet.h"
#include "zoo/mobilenet_v2.h"
#include "zoo/preact_resnet.h"
#include "zoo/resnet.h"
#include "zoo/resnet9.h"
#include "zoo/shufflenet.h"
#include "zoo/shufflenet_v2.h"
#include "zoo/vgg.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

struct Row {
  std::string fixture;
  float width;
  std::function<std::unique_ptr<Layer>(const zoo::Spec&)> build;
};

std::vector<Row> rows() {
  using zoo::Spec;
  return {
      {"vgg16", 1 / 32.0F, [](const Spec& s) { return vgg(s, 16); }},
      {"vgg16_li", 1 / 32.0F, zoo::vgg16_li},
      {"vgg16_224", 1 / 64.0F, [](const Spec& s) { return vgg_224(s, 16); }},
      {"resnet_a", 0.125F, [](const Spec& s) { return resnet_a(s, 20); }},
      {"resnet_b", 0.25F, [](const Spec& s) { return resnet_b(s, 8); }},
      {"resnet50", 1 / 32.0F, [](const Spec& s) { return resnet_224(s, 50); }},
      {"resnet50_v1_5", 1 / 64.0F,
       [](const Spec& s) { return resnet_224(s, 50, zoo::Halving::spatial); }},
      {"resnet_preact", 0.25F, [](const Spec& s) { return preact_resnet(s, 11); }},
      {"resnet9", 1 / 32.0F, zoo::resnet9},
      {"igc", 1, [](const Spec& s) { return igc(s, 8, 4, 2); }},
      {"igc_residual", 1, [](const Spec& s) { return igc_residual(s, 8, 3, 2); }},
      {"igc_residual_released", 1,
       [](const Spec& s) { return igc_residual(s, 8, 3, 2, zoo::Secondary::released); }},
      {"igc_channels", 1, [](const Spec& s) { return igc_224(s, 3, 2); }},
      {"igc_groups", 1, [](const Spec& s) { return igc_224(s, 2, 2, zoo::Doubling::groups); }},
      {"igcv3", 1 / 32.0F, [](const Spec& s) { return igcv3(s, 4); }},
      {"igcv3_released", 1 / 32.0F,
       [](const Spec& s) { return igcv3(s, 4, zoo::Permutations::released); }},
      {"densenet", 1, [](const Spec& s) { return densenet(s, 10, 3); }},
      {"densenet_bc", 1, [](const Spec& s) { return densenet_bc(s, 16, 3); }},
      {"densenet121", 1 / 32.0F, [](const Spec& s) { return densenet_224(s, 121); }},
      {"mobilenet", 1 / 32.0F, zoo::mobilenet},
      {"mobilenet_v2", 1 / 64.0F, [](const Spec& s) { return mobilenet_v2(s, 16); }},
      {"shufflenet", 0.1F, [](const Spec& s) { return shufflenet(s, 3); }},
      {"shufflenet_v2", 1 / 16.0F, zoo::shufflenet_v2},
  };
}

std::unique_ptr<Layer> build(const Row& row, const Shape& x) {
  Random init(1, Purpose::init);
  auto net = row.build({.name = row.fixture,
                        .classes = 10,
                        .width = row.width,
                        .input = {x[1], x[2], x[3]},
                        .init = init});
  set_known_weights(*net);
  return net;
}

// Without dropout, whose choices PyTorch cannot know.
Graph traced(Layer& net, const Shape& x) {
  return drop_identities(trace(net, {1, x[1], x[2], x[3]}));
}

struct Results {
  Tensor logits, loss;
};

Results training_step(Layer& net, const StepInPyTorch& given) {
  Tape tape(Mode::training);
  const Var logits = net.forward(tape.constant(given.pictures()));
  const Var loss = cross_entropy(logits, tape.constant(given.labels()), 0.1F);
  Results step{logits.value().clone(), loss.value().clone()};
  tape.backward(loss);
  return step;
}

constexpr double tolerance = 1e-4;

double magnitude(const Tensor& t) { return max_abs_difference(t, Tensor(t.shape())); }

// largest: the magnitude of all gradients of the network.
void check_gradient(const Tensor& found, const Tensor& expected, double largest) {
  // What the next batch norm undoes has no influence, and a gradient of hardly more than rounding:
  // a shift, and the scale of a filter, which is all that one weight can change.
  const bool lone_weights =
      expected.rank() == 4 && expected.size() == static_cast<size_t>(expected.dim(0));
  if (lone_weights || magnitude(expected) < 1e-4 * largest) {
    CHECK(max_abs_difference(found, expected) < 3e-5 * largest);
  } else {
    CHECK(relative_difference(found, expected) < tolerance);
  }
}

double largest_gradient(Graph& graph) {
  double largest = 0;
  for (const Parameter* p : graph.parameters()) {
    if (p->trainable) largest = std::max(largest, magnitude(p->grad));
  }
  return largest;
}

}  // namespace

TEST_CASE("training steps agree with PyTorch's: logits, gradients, statistics, inference") {
  for (const Row& row : rows()) {
    INFO(row.fixture);
    const StepInPyTorch expected(row.fixture);
    const Tensor x = expected.pictures();
    const auto net = build(row, x.shape());
    Graph graph = traced(*net, x.shape());
    const Results step = training_step(graph, expected);
    CHECK(relative_difference(step.logits, expected.get("logits")) < tolerance);
    CHECK(relative_difference(step.loss, expected.get("loss")) < tolerance);
    const double largest = largest_gradient(graph);
    size_t trainable = 0, gradients = 0, buffers = 0;
    for (const Parameter* p : net->parameters()) {
      INFO(p->name);
      const Parameter* after = graph.find(p->name);
      REQUIRE(after != nullptr);
      if (p->trainable) {
        const Tensor gradient = folded(after->grad, trainable++);
        check_gradient(gradient, expected.get("gradients", gradients, gradient.shape()), largest);
        gradients += gradient.size();
      } else {
        const Tensor& buffer = after->value;
        CHECK(relative_difference(buffer, expected.get("buffers", buffers, buffer.shape())) <
              tolerance);
        buffers += buffer.size();
      }
    }
    CHECK(gradients == expected.get("gradients").size());
    CHECK(buffers == expected.get("buffers").size());
    CHECK(relative_difference(run(graph, x), expected.get("logits_inference")) < tolerance);

    graph.parameters()[0]->value[0] *= 1.2F;  // a step that is off is noticed
    CHECK(relative_difference(training_step(graph, expected).logits, expected.get("logits")) >
          tolerance);
  }
}

TEST_CASE("an error in one number of a gradient shows in what the fixtures hold of it") {
  Tensor gradient({40, 3, 3, 2});
  for (size_t i = 0; i < gradient.size(); ++i) gradient[i] = known_number(1, i);
  const Tensor before = folded(gradient, 5);
  CHECK(before.shape() == Shape{1, 3, 3, 2});
  gradient[100] += 0.01F;
  CHECK(relative_difference(folded(gradient, 5), before) > tolerance);
  gradient[100] -= 0.01F;
  std::swap(gradient[0], gradient[18]);  // of the first two filters
  CHECK(relative_difference(folded(gradient, 5), before) > tolerance);
}
