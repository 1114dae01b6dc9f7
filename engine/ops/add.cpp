// add: the element-wise sum of two values of one shape, such as a block's result and its shortcut.
#include <memory>

#include "engine/ops.h"
#include "engine/ops/activation.h"
#include "engine/ops/operands.h"
#include "engine/parallel.h"
#include "engine/simd.h"

namespace bonsai {
namespace {

constexpr int64_t grain = 1 << 15;

BONSAI_SIMD void sum(const Scalar* a, const Scalar* b, Scalar* __restrict y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] + b[i];
}

void give(const Gradient& share, const Tensor& grad_out) {
  if (!share.wanted()) return;
  parallel_ranges(static_cast<int64_t>(grad_out.size()), grain, [&](int64_t begin, int64_t end) {
    const Scalar* dy = grad_out.data() + begin;
    activate_backward({}, dy, dy, dy, share.data() + begin, end - begin, !share.fresh);
  });
}

class Add : public Op {
 public:
  explicit Add(const Activation& activation = {}) : activation_(activation) {}

  std::string_view name() const override { return "add"; }

  Shape infer(std::span<const Shape> in) const override {
    require_inputs("add", in, 2);
    require(in[0] == in[1], "add: shapes ", in[0], " and ", in[1], " should be the same");
    return in[0];
  }

  void forward(std::span<const Tensor> in, Tensor& out, const Pass&) const override {
    parallel_ranges(static_cast<int64_t>(out.size()), grain, [&](int64_t begin, int64_t end) {
      Scalar* y = out.data() + begin;
      sum(in[0].data() + begin, in[1].data() + begin, y, end - begin);
      activate(activation_, y, y, end - begin);
    });
  }

  void backward(std::span<const Tensor>, const Tensor&, std::span<const Tensor>,
                const Tensor& grad_out, std::span<const Gradient> grad) const override {
    require_unfused("add", activation_);
    const bool first = grad[0].take(grad_out), second = !first && grad[1].take(grad_out);
    give(first ? Gradient{} : grad[0], grad_out);
    give(second ? Gradient{} : grad[1], grad_out);
  }

  bool backward_reads(size_t) const override { return false; }
  bool backward_reads_result() const override { return false; }

  void ties(const Node& node, std::span<const Shape> shapes, Channels& channels) const override {
    tie_through(node, 0, shapes, channels);
    tie_through(node, 1, shapes, channels);
  }

  Attributes attributes() const override {
    Attributes attributes;
    write_activation(activation_, attributes);
    return attributes;
  }

  OpPtr with_activation(const Activation& activation) const override {
    if (activation_.kind != Activation::none) return nullptr;
    return std::make_shared<Add>(activation);
  }

 private:
  Activation activation_;
};

}  // namespace

OpPtr make_add(AttributeReader& attributes) {
  return std::make_shared<Add>(read_activation(attributes));
}

Var add(Var a, Var b) { return a.tape().apply(std::make_shared<Add>(), {a, b}); }

}  // namespace bonsai
