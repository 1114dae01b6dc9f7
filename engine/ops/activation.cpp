// The point-wise activations, one op class for all:
//   relu        max(x, 0)                 relu6       min(max(x, 0), 6)
//   leaky_relu  x if x > 0, else slope x  sigmoid     1 / (1 + exp(-x))
//   hard_swish  x relu6(x + 3) / 6 (Howard et al. 2019, "Searching for MobileNetV3")
#include "engine/ops/activation.h"

#include <memory>

#include "engine/ops.h"
#include "engine/ops/operands.h"
#include "engine/parallel.h"

namespace bonsai {
namespace {

constexpr int64_t grain = 1 << 15;

class ActivationOp : public Op {
 public:
  explicit ActivationOp(Activation f) : f_(f) {}

  const Activation& activation() const { return f_; }

  std::string_view name() const override { return activation_name(f_.kind); }

  Shape infer(std::span<const Shape> in) const override {
    require_inputs(name(), in, 1);
    return in[0];
  }

  void forward(std::span<const Tensor> in, Tensor& out, const Pass&) const override {
    parallel_ranges(static_cast<int64_t>(out.size()), grain, [&](int64_t begin, int64_t end) {
      activate(f_, in[0].data() + begin, out.data() + begin, end - begin);
    });
  }

  void backward(std::span<const Tensor> in, const Tensor& out, std::span<const Tensor>,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    if (!grad[0].wanted()) return;
    grad[0].take(grad_out);
    parallel_ranges(static_cast<int64_t>(out.size()), grain, [&](int64_t begin, int64_t end) {
      activate_backward(f_, in[0].data() + begin, out.data() + begin, grad_out.data() + begin,
                        grad[0].data() + begin, end - begin, !grad[0].fresh);
    });
  }

  // The derivative follows from the input for some, from the result for the others.
  bool backward_reads(size_t) const override { return !follows_from_result(f_.kind); }
  bool backward_reads_result() const override { return follows_from_result(f_.kind); }

  void ties(const Node& node, std::span<const Shape> shapes, Channels& channels) const override {
    tie_through(node, 0, shapes, channels);
  }

  Attributes attributes() const override {
    if (f_.kind != Activation::leaky_relu) return {};
    return {{"slope", static_cast<double>(f_.slope)}};
  }

 private:
  Activation f_;
};

OpPtr make(Activation::Kind kind, float slope = 0) {
  return std::make_shared<ActivationOp>(Activation{kind, slope});
}

}  // namespace

const Activation* as_activation(const Op& op) {
  const auto* activation = dynamic_cast<const ActivationOp*>(&op);
  return activation == nullptr ? nullptr : &activation->activation();
}

void write_activation(const Activation& f, Attributes& attributes) {
  if (f.kind == Activation::none) return;
  attributes["activation"] = std::string(activation_name(f.kind));
  if (f.kind == Activation::leaky_relu) attributes["slope"] = static_cast<double>(f.slope);
}

Activation read_activation(AttributeReader& attributes) {
  Activation f;
  if (attributes.has("activation")) f.kind = activation_kind(attributes.text("activation"));
  if (f.kind == Activation::leaky_relu) f.slope = attributes.number("slope", -1, 1);
  return f;
}

void require_unfused(std::string_view op, const Activation& f) {
  require(f.kind == Activation::none, op, ": fused with ", activation_name(f.kind),
          " for inference, it has no derivative; train the graph before fusing");
}

OpPtr make_relu(AttributeReader&) { return make(Activation::relu); }
OpPtr make_relu6(AttributeReader&) { return make(Activation::relu6); }
OpPtr make_leaky_relu(AttributeReader& attributes) {
  return make(Activation::leaky_relu, attributes.number("slope", -1, 1));
}
OpPtr make_sigmoid(AttributeReader&) { return make(Activation::sigmoid); }
OpPtr make_hard_swish(AttributeReader&) { return make(Activation::hard_swish); }

Var relu(Var x) { return x.tape().apply(make(Activation::relu), {x}); }
Var relu6(Var x) { return x.tape().apply(make(Activation::relu6), {x}); }
Var leaky_relu(Var x, float slope) {
  require(slope >= -1 && slope <= 1, "leaky_relu: slope is ", slope, ", should be -1 to 1");
  return x.tape().apply(make(Activation::leaky_relu, slope), {x});
}
Var sigmoid(Var x) { return x.tape().apply(make(Activation::sigmoid), {x}); }
Var hard_swish(Var x) { return x.tape().apply(make(Activation::hard_swish), {x}); }

}  // namespace bonsai
