// Whole networks against PyTorch: one training step of a narrow VGG-16, computed there in double
// precision (tests/fixtures/vgg16.py), every number of it.
#include <cmath>
#include <map>
#include <string>

#include "engine/error.h"
#include "engine/ops.h"
#include "engine/tensor_file.h"
#include "tests/catch.h"
#include "zoo/zoo.h"

using namespace bonsai;

namespace {

class Fixture {
 public:
  explicit Fixture(const std::string& name) {
    TensorFile file = read_tensor_file(std::string(BONSAI_FIXTURES "/") + name);
    for (auto& [tensor_name, tensor] : file.tensors) tensors_[tensor_name] = tensor;
  }

  const Tensor& get(const std::string& name) const {
    const auto entry = tensors_.find(name);
    require(entry != tensors_.end(), "the fixture holds no ", name);
    return entry->second;
  }

  // "grad.012", a convolution's weights turned from [out, in, kh, kw] into [out, kh, kw, in].
  Tensor numbered(const std::string& kind, size_t index) const {
    const std::string digits = std::to_string(index);
    const Tensor& t = get(kind + "." + std::string(3 - digits.size(), '0') + digits);
    if (t.rank() != 4) return t;
    const int out = t.dim(0), in = t.dim(1), kh = t.dim(2), kw = t.dim(3);
    Tensor turned({out, kh, kw, in});
    size_t to = 0;
    for (int o = 0; o < out; ++o) {
      for (int y = 0; y < kh; ++y) {
        for (int x = 0; x < kw; ++x) {
          for (int i = 0; i < in; ++i) {
            turned[to++] = t[static_cast<size_t>(((o * in + i) * kh + y) * kw + x)];
          }
        }
      }
    }
    return turned;
  }

 private:
  std::map<std::string, Tensor> tensors_;
};

// max |a - b| relative to max |b|.
double relative_error(const Tensor& a, const Tensor& b) {
  return max_abs_difference(a, b) / max_abs_difference(b, Tensor(b.shape()));
}

std::unique_ptr<Layer> narrow_vgg16(const Fixture& fixture) {
  auto net = zoo::make("vgg16", {.classes = 10, .width = 1.0F / 16});
  size_t index = 0;
  for (Parameter* p : net->parameters()) {
    if (p->trainable) p->value.copy_from(fixture.numbered("param", index++));
  }
  return net;
}

struct Step {
  Tensor logits, loss;
};

Step training_step(Layer& net, const Fixture& fixture) {
  Tape tape(Mode::training);
  const Var logits = net.forward(tape.constant(fixture.get("x")));
  const Var loss = cross_entropy(logits, tape.constant(fixture.get("labels")), 0.1F);
  Step step{logits.value().clone(), loss.value().clone()};
  tape.backward(loss);
  return step;
}

constexpr double tolerance = 1e-4;

}  // namespace

TEST_CASE("VGG-16: a training step agrees with PyTorch's, logits and every gradient") {
  const Fixture fixture("vgg16.safetensors");
  const auto net = narrow_vgg16(fixture);
  const Step step = training_step(*net, fixture);
  CHECK(relative_error(step.logits, fixture.get("logits")) < tolerance);
  CHECK(relative_error(step.loss, fixture.get("loss")) < tolerance);
  size_t trainable = 0, buffers = 0;
  for (Parameter* p : net->parameters()) {
    INFO(p->name);
    if (!p->trainable) {
      CHECK(relative_error(p->value, fixture.numbered("buffer", buffers++)) < tolerance);
      continue;
    }
    const Tensor expected = fixture.numbered("grad", trainable++);
    REQUIRE(p->grad.shape() == expected.shape());
    const double size = max_abs_difference(expected, Tensor(expected.shape()));
    // A bias before a batch norm has no influence: its gradient is nothing but rounding.
    if (size < 1e-12) {
      CHECK(max_abs_difference(p->grad, expected) < 1e-5);
    } else {
      CHECK(relative_error(p->grad, expected) < tolerance);
    }
  }
  CHECK(trainable == 54);
  CHECK(buffers == 26);
}

TEST_CASE("VGG-16: after the step, inference agrees with PyTorch's") {
  const Fixture fixture("vgg16.safetensors");
  const auto net = narrow_vgg16(fixture);
  training_step(*net, fixture);
  Tape tape(Mode::inference);
  const Var logits = net->forward(tape.constant(fixture.get("x")));
  CHECK(relative_error(logits.value(), fixture.get("logits_inference")) < tolerance);
}

TEST_CASE("VGG-16: a step that is off is noticed") {
  const Fixture fixture("vgg16.safetensors");
  const auto net = narrow_vgg16(fixture);
  net->parameters()[0]->value[0] *= 1.01F;
  CHECK(relative_error(training_step(*net, fixture).logits, fixture.get("logits")) > tolerance);
}
