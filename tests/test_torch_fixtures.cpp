// Whole networks against PyTorch: one training step of a narrow network of each family, computed
// there in double precision (tests/fixtures/), every number of it.
#include <string>

#include "engine/graph.h"
#include "engine/ops.h"
#include "engine/passes.h"
#include "tests/catch.h"
#include "tests/compare_graphs.h"
#include "tests/training_step.h"
#include "zoo/zoo.h"

using namespace bonsai;
using namespace bonsai::testing;

namespace {

struct Case {
  std::string fixture, network;
  float width;
};
const Case cases[] = {
    {"vgg16", "vgg16", 1.0F / 16},
    {"mobilenet", "mobilenet", 1.0F / 32},
    {"mobilenet_v2", "mobilenet_v2", 1.0F / 64},
    {"shufflenet", "shufflenet_g3", 0.1F},
    {"shufflenet_v2", "shufflenet_v2", 1.0F / 16},
};
constexpr int count = 4, size = 32, classes = 10;
constexpr double tolerance = 1e-4;

std::unique_ptr<Layer> narrow(const Case& c) {
  auto net = zoo::make(c.network, {.classes = classes, .width = c.width});
  set_known_weights(*net);
  return net;
}

// Without dropout, whose choices PyTorch cannot know.
Graph traced(Layer& net) { return drop_identities(trace(net, {1, size, size, 3})); }

struct Step {
  Tensor logits, loss;
};

Step training_step(Layer& net, const StepInPyTorch& expected) {
  Tape tape(Mode::training);
  const Var logits = net.forward(tape.constant(expected.pictures(count, size)));
  const Var loss = cross_entropy(logits, tape.constant(known_labels(count, classes)), 0.1F);
  Step step{logits.value().clone(), loss.value().clone()};
  tape.backward(loss);
  return step;
}

void check_gradient(const Tensor& gradient, const Tensor& expected) {
  REQUIRE(gradient.shape() == expected.shape());
  // A bias before a batch norm has no influence: its gradient is nothing but rounding.
  if (max_abs_difference(expected, Tensor(expected.shape())) < 1e-12) {
    CHECK(max_abs_difference(gradient, expected) < 1e-5);
  } else {
    CHECK(relative_difference(gradient, expected) < tolerance);
  }
}

}  // namespace

TEST_CASE("a training step agrees with PyTorch's: logits, running statistics, every gradient") {
  for (const Case& c : cases) {
    INFO(c.fixture);
    const StepInPyTorch expected(c.fixture);
    const auto net = narrow(c);
    Graph graph = traced(*net);
    const Step step = training_step(graph, expected);
    CHECK(relative_difference(step.logits, expected.get("logits")) < tolerance);
    CHECK(relative_difference(step.loss, expected.get("loss")) < tolerance);
    size_t trainable = 0, buffers = 0;
    for (const Parameter* p : net->parameters()) {
      INFO(p->name);
      const Parameter* traced_p = graph.find(p->name);
      REQUIRE(traced_p != nullptr);
      if (p->trainable) {
        check_gradient(folded(traced_p->grad, trainable), expected.get("grad", trainable));
        ++trainable;
      } else {
        CHECK(relative_difference(traced_p->value, expected.get("buffer", buffers++)) < tolerance);
      }
    }
    CHECK(trainable + buffers + 4 == expected.tensors());  // logits twice, loss, stream
  }
}

TEST_CASE("after the step, inference agrees with PyTorch's") {
  for (const Case& c : cases) {
    INFO(c.fixture);
    const StepInPyTorch expected(c.fixture);
    const auto net = narrow(c);
    Graph graph = traced(*net);
    training_step(graph, expected);
    const Tensor logits = run(graph, expected.pictures(count, size));
    CHECK(relative_difference(logits, expected.get("logits_inference")) < tolerance);
  }
}

TEST_CASE("a step that is off is noticed") {
  for (const Case& c : cases) {
    INFO(c.fixture);
    const StepInPyTorch expected(c.fixture);
    const auto net = narrow(c);
    net->parameters()[0]->value[0] *= 1.01F;
    Graph graph = traced(*net);
    CHECK(relative_difference(training_step(graph, expected).logits, expected.get("logits")) >
          tolerance);
  }
}
