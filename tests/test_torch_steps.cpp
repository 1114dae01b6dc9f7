// One training step of each family's narrow network against PyTorch, computed there in double
// precision (tests/fixtures/stored_step.py), every number of it.
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/ops.h"
#include "engine/tensor_file.h"
#include "tests/catch.h"
#include "tests/compare_graphs.h"
#include "zoo/densenet.h"
#include "zoo/igc.h"
#include "zoo/igcv3.h"
#include "zoo/preact_resnet.h"
#include "zoo/resnet.h"
#include "zoo/resnet9.h"

using namespace bonsai;

namespace {

struct Row {
  std::string fixture;
  float width;
  std::function<std::unique_ptr<Layer>(const zoo::Spec&)> build;
};

std::vector<Row> rows() {
  using zoo::Spec;
  return {
      {"resnet_a", 0.125F, [](const Spec& s) { return resnet_a(s, 20); }},
      {"resnet_preact", 0.25F, [](const Spec& s) { return preact_resnet(s, 11); }},
      {"resnet9", 1 / 32.0F, zoo::resnet9},
      {"igc", 1, [](const Spec& s) { return igc(s, 8, 6, 2); }},
      {"igc_residual", 1, [](const Spec& s) { return igc_residual(s, 8, 3, 2); }},
      {"igc_residual_released", 1,
       [](const Spec& s) { return igc_residual(s, 8, 3, 2, zoo::Secondary::released); }},
      {"igcv3", 1 / 32.0F, [](const Spec& s) { return igcv3(s, 8); }},
      {"densenet", 1, [](const Spec& s) { return densenet(s, 10, 3); }},
      {"densenet_bc", 1, [](const Spec& s) { return densenet_bc(s, 16, 4); }},
  };
}

std::unique_ptr<Layer> build(const Row& row, const Shape& x) {
  Random init(1, Purpose::init);
  return row.build({.name = row.fixture,
                    .classes = 10,
                    .width = row.width,
                    .input = {x[1], x[2], x[3]},
                    .init = init});
}

// The numbers of a fixture that stand in a row, one tensor after the other.
class Numbers {
 public:
  explicit Numbers(const Tensor& all) : all_(all) {}
  Tensor next(const Shape& shape) {
    const size_t size = element_count(shape);
    REQUIRE(begin_ + size <= all_.size());
    const Tensor view = Tensor::view(all_.data() + begin_, shape);
    begin_ += size;
    return view;
  }
  bool at_end() const { return begin_ == all_.size(); }

 private:
  const Tensor& all_;
  size_t begin_ = 0;
};

void load_parameters(Layer& net, const Tensor& all) {
  Numbers numbers(all);
  for (Parameter* p : net.parameters()) {
    if (p->trainable) p->value.copy_from(numbers.next(p->value.shape()));
  }
  REQUIRE(numbers.at_end());
}

double magnitude(const Tensor& t) { return max_abs_difference(t, Tensor(t.shape())); }

struct Step {
  Tensor logits, loss;
};

Step training_step(Layer& net, const Tensor& x, const Tensor& labels) {
  Tape tape(Mode::training);
  const Var logits = net.forward(tape.constant(x));
  const Var loss = cross_entropy(logits, tape.constant(labels), 0.1F);
  Step step{logits.value().clone(), loss.value().clone()};
  tape.backward(loss);
  return step;
}

constexpr double tolerance = 1e-4;

}  // namespace

TEST_CASE("training steps agree with PyTorch's: logits, gradients, statistics, inference") {
  for (const Row& row : rows()) {
    INFO(row.fixture);
    TensorFile file =
        read_tensor_file(std::string(BONSAI_FIXTURES "/") + row.fixture + ".safetensors");
    std::map<std::string, Tensor> fixture;
    for (auto& [name, tensor] : file.tensors) fixture[name] = tensor;
    const Tensor& x = fixture.at("x");
    const auto net = build(row, x.shape());
    load_parameters(*net, fixture.at("params"));

    const Step step = training_step(*net, x, fixture.at("labels"));
    CHECK(relative_difference(step.logits, fixture.at("logits")) < tolerance);
    CHECK(relative_difference(step.loss, fixture.at("loss")) < tolerance);
    const double largest = magnitude(fixture.at("grads"));
    Numbers grads(fixture.at("grads")), buffers(fixture.at("buffers"));
    for (Parameter* p : net->parameters()) {
      INFO(p->name);
      const Tensor expected = (p->trainable ? grads : buffers).next(p->value.shape());
      const Tensor& found = p->trainable ? p->grad : p->value;
      // What the next batch norm undoes has no influence, and a gradient of hardly more than
      // rounding: a shift, and the scale of a filter, which is all that one weight can change.
      const bool lone_weights =
          expected.rank() == 4 && expected.size() == static_cast<size_t>(expected.dim(0));
      if (p->trainable && (lone_weights || magnitude(expected) < 1e-4 * largest)) {
        CHECK(max_abs_difference(found, expected) < 1e-5 * largest);
      } else {
        CHECK(relative_difference(found, expected) < tolerance);
      }
    }
    CHECK(grads.at_end());
    CHECK(buffers.at_end());
    CHECK(relative_difference(run(*net, x), fixture.at("logits_inference")) < tolerance);

    net->parameters()[0]->value[0] *= 1.2F;  // a step that is off is noticed
    const Step other = training_step(*net, x, fixture.at("labels"));
    CHECK(relative_difference(other.logits, fixture.at("logits")) > tolerance);
  }
}
